"""The small CNN as PyTorch tutorials train it: a Dataset, a DataLoader, a transform a picture.

Prints seconds and the accuracy on held-out pictures as JSON. The layers are those of Lapel's recipe, the
batch and the rate those of the tutorials.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Pictures(Dataset[Any]):
    """As torchvision's: one PIL image at a time, made a tensor and normalised."""

    def __init__(self, pictures: Any, labels: Any) -> None:
        self.pictures, self.labels = pictures, labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, place: int) -> tuple[torch.Tensor, int]:
        image = Image.fromarray(self.pictures[place])
        tensor = torch.from_numpy(np.array(image, np.uint8, copy=True)).view(28, 28, 1).permute(2, 0, 1)
        return tensor.contiguous().to(torch.float32).div(255).sub(0.5).div(0.5), int(self.labels[place])


data = np.load(Path(sys.argv[1]))
torch.manual_seed(int(sys.argv[2]))
learned = DataLoader(Pictures(data["pictures"], data["labels"]), batch_size=64, shuffle=True)
held = DataLoader(Pictures(data["held_pictures"], data["held_labels"]), batch_size=64)
model = nn.Sequential(
    nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(32 * 14 * 14, 128), nn.ReLU(), nn.Linear(128, 10),
)  # fmt: skip
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
criterion = nn.CrossEntropyLoss()
began = time.perf_counter()
for _ in range(5):
    model.train()
    for pictures, labels in learned:
        optimizer.zero_grad()
        loss = criterion(model(pictures), labels)
        loss.backward()
        optimizer.step()
    model.eval()
    right = 0
    with torch.no_grad():
        for pictures, labels in held:
            right += int((model(pictures).argmax(1) == labels).sum())
seconds = time.perf_counter() - began
print(json.dumps({"seconds": seconds, "accuracy": right / len(data["held_labels"])}))
