"""Pretrained image networks: a linear probe first, then fine-tuning from it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from autotasks import AutoImageClassifier
from autotasks.backbones import read_pretrained
from autotasks.image_encoders import sides_of
from gradfleet import AutoDataset, Bundle
from gradfleet.errors import ExportError
from gradfleet.tasks import ImagePreparation


@pytest.fixture(scope="module", params=["resnet", "vit"])
def backbone(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A narrow network that was never trained, as `save_pretrained` writes it."""
    from transformers import ResNetConfig, ResNetModel, ViTConfig, ViTModel

    folder = tmp_path_factory.mktemp("hub") / f"tiny-{request.param}"
    torch.manual_seed(0)
    if request.param == "resnet":
        ResNetModel(ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1])).save_pretrained(folder)
    else:
        config = ViTConfig(
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            image_size=32,
            patch_size=8,
        )
        ViTModel(config).save_pretrained(folder)
    said = {"size": {"height": 32, "width": 32}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(said))
    return folder


def write_tones(folder: Path, *, each: int) -> Path:
    """Class folders of dark and of bright grey pictures of 40 x 24 pixels."""
    noise = np.random.default_rng(0)
    for label, base in (("bright", 170), ("dark", 40)):
        (folder / label).mkdir(parents=True)
        for number in range(each):
            pixels = noise.integers(base, base + 60, (24, 40), dtype="uint8")
            Image.fromarray(pixels).save(folder / label / f"{number}.png")
    return folder


def test_a_probe_and_fine_tuning_learn_from_vectors_that_are_computed_once(backbone: Path, tmp_path: Path) -> None:
    classifier = AutoImageClassifier(write_tones(tmp_path / "tones", each=24), backbones=[backbone])
    name = backbone.name
    classifier.model.narrow({"architecture": {"choices": [f"{name}-frozen", name]}})
    classifier.fit(trials=4, epochs=1, cluster="inline", store=tmp_path / "g.db", progress=False)
    assert {trial.config["architecture"] for trial in classifier.study.trials} == {f"{name}-frozen", name}
    assert classifier.study.trial(0).value == 1.0
    assert len(list(Path(classifier.study.spec["data"]).parent.glob("features-*"))) == 2
    bright = Image.new("RGB", (300, 10), (200, 200, 200))
    assert classifier.predict([bright]) == ["bright"]
    classifier.study.trial(0).export(tmp_path / "out")
    assert Bundle.load(tmp_path / "out").predict([bright]) == ["bright"]


def test_images_are_decoded_at_the_size_that_the_network_looks_at(backbone: Path, tmp_path: Path) -> None:
    classifier = AutoImageClassifier(write_tones(tmp_path / "tones", each=4), backbones=[backbone])
    assert classifier.data.open().facts.input_shape == (1, 24, 24), "the middle square"


def test_fine_tuning_keeps_the_statistics_of_pretrained_batch_norms(backbone: Path, tmp_path: Path) -> None:
    classifier = AutoImageClassifier(write_tones(tmp_path / "tones", each=12), backbones=[backbone])
    classifier.model.narrow({"architecture": backbone.name})
    classifier.fit(trials=1, epochs=2, cluster="inline", store=tmp_path / "g.db", progress=False)
    tuned = classifier.study.best.model().model.network.encoder
    pretrained = read_pretrained(str(backbone)).state_dict()
    moved = {name for name, value in tuned.state_dict().items() if not torch.equal(value.cpu(), pretrained[name])}
    assert moved
    assert not {name for name in moved if "running" in name}


def test_there_is_a_choice_of_sides_where_a_network_looks_at_any(tmp_path: Path) -> None:
    from transformers import ResNetConfig, ViTConfig

    sides = {}
    for config in (ResNetConfig(), ViTConfig()):
        config.save_pretrained(tmp_path / config.model_type)
        said = {"size": {"height": 224, "width": 224}}
        (tmp_path / config.model_type / "preprocessor_config.json").write_text(json.dumps(said))
        sides[config.model_type] = sides_of(str(tmp_path / config.model_type))
    assert sides == {"resnet": (128, 160, 192, 224), "vit": (224,)}
    assert sides_of(str(tmp_path / "gone")) == (128, 160, 192, 224)


@pytest.mark.row("ES8")
def test_a_pretrained_network_goes_back_to_a_folder_of_its_library(backbone: Path, tmp_path: Path) -> None:
    classifier = AutoImageClassifier(write_tones(tmp_path / "tones", each=12), backbones=[backbone])
    classifier.model.narrow({"architecture": {"choices": [f"{backbone.name}-frozen", backbone.name]}})
    classifier.fit(trials=2, epochs=1, cluster="inline", store=tmp_path / "g.db", progress=False)
    tuned = next(one.number for one in classifier.study.trials if one.config["architecture"] == backbone.name)
    exported = classifier.study.trial(tuned).export(tmp_path / "out", format="transformers")
    assert exported.score is not None
    assert exported.score.measured == pytest.approx(exported.score.recorded)

    from transformers import AutoImageProcessor, AutoModelForImageClassification

    model = AutoModelForImageClassification.from_pretrained(tmp_path / "out").eval()
    assert model.config.id2label == {0: "bright", 1: "dark"}
    processor = AutoImageProcessor.from_pretrained(tmp_path / "out", backend="pil")
    picture = tmp_path / "tones" / "bright" / "0.png"
    pixels = processor(Image.open(picture).convert("RGB"), return_tensors="pt")["pixel_values"]
    ours = classifier.study.trial(tuned).model().outputs([picture]).softmax(1)
    with torch.no_grad():
        theirs = model(pixels).logits.softmax(1)
    assert (ours - theirs).abs().max() < 0.05, "both look at the middle; one resizes from the file, one in two steps"
    bright = torch.full((1, 3, 32, 32), (200 / 255 - 0.5) / 0.5)
    with torch.no_grad():
        assert model(bright).logits.argmax() == 0


def test_what_no_processor_of_transformers_does_is_no_folder_of_it(backbone: Path, tmp_path: Path) -> None:
    preparation = ImagePreparation(size=(24, 40), resize="pad")
    data = AutoDataset(write_tones(tmp_path / "tones", each=4), preparation=preparation)
    classifier = AutoImageClassifier(data, backbones=[backbone])
    classifier.model.narrow({"architecture": f"{backbone.name}-frozen"})
    classifier.fit(trials=1, epochs=1, cluster="inline", store=tmp_path / "g.db", progress=False)
    with pytest.raises(ExportError, match='sees images after resize="pad", which no processor of transformers does'):
        classifier.export(tmp_path / "out", format="transformers")


def test_a_network_from_scratch_is_no_folder_of_transformers(tmp_path: Path) -> None:
    classifier = AutoImageClassifier(write_tones(tmp_path / "tones", each=4))
    classifier.fit(trials=1, epochs=1, cluster="inline", store=tmp_path / "g.db", progress=False)
    with pytest.raises(ExportError, match="A Sequential is no network of transformers"):
        classifier.export(tmp_path / "out", format="transformers")
    assert not (tmp_path / "out").exists()
