"""The temporal U-Net: the published sizes, its gradient, and what padding must not do."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from msgen.models.nets import temporal_blocks
from msgen.models.nets.temporal_unet import Head, TemporalUNet


@pytest.mark.parametrize(
    ("channels", "width", "mults", "count"),
    [
        (30, 128, (1, 2, 4), 10_201_729),
        (30, 128, (1, 2), 2_583_937),
        (30, 96, (1, 2), 1_458_721),
        (4, 64, (1, 2), 646_337),
        (2, 64, (1, 2), 645_825),
    ],
)
def test_the_published_sizes(channels: int, width: int, mults: tuple[int, ...], count: int) -> None:
    """Petersen, Roig and Covino's, energy head; none of them holds attention."""

    def parameters(**options: bool) -> int:
        with torch.device("meta"):
            net = TemporalUNet(channels, 0, width, mults, "energy", **options)
        return sum(p.numel() for p in net.parameters())

    assert parameters() == count
    assert parameters(attention=True) != count
    assert parameters(encoder_only=True) < count


def small(head: Head, **options: bool) -> TemporalUNet:
    torch.manual_seed(3)
    return TemporalUNet(2, 1, 16, (1, 2, 2), head, **options).double()


def asked(length: int, n: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(length)
    x = torch.randn(n, length, 2, generator=generator, dtype=torch.float64)
    about = torch.randn(n, 1, generator=generator, dtype=torch.float64)
    return x, torch.tensor([3.0, 200.0, 700.0], dtype=torch.float64)[:n], about


def jacobian(net: TemporalUNet, length: int) -> Tensor:
    """∂F_i/∂x_j by central differences, shape (d, d)."""
    x, level, about = asked(length, 1)
    d, h = x.numel(), 1e-5
    shifts = h * torch.eye(d, dtype=x.dtype).reshape(d, length, 2)

    def f(at: Tensor) -> Tensor:
        with torch.no_grad():
            return net(at, level.expand(d), about.expand(d, 1)).reshape(d, d)

    return (f(x + shifts) - f(x - shifts)) / (2 * h)


@pytest.mark.parametrize("options", [{}, {"attention": True}, {"encoder_only": True}])
def test_an_energy_head_makes_a_gradient(options: dict[str, bool]) -> None:
    """F is the finite difference of the energy and has no curl; a force head's has."""
    net, length = small("energy", **options), 7
    x, level, about = asked(length, 1)
    d, h = x.numel(), 1e-5
    shifts = h * torch.eye(d, dtype=x.dtype).reshape(d, length, 2)
    ends = [
        net.energies(x + sign * shifts, level.expand(d), about.expand(d, 1)) for sign in (1, -1)
    ]
    slope = ((ends[0] - ends[1]) / (2 * h)).detach()
    with torch.no_grad():
        made = net(x, level, about).reshape(-1)
    torch.testing.assert_close(made, slope, rtol=1e-5, atol=1e-8)
    curl = jacobian(net, length)
    size = curl.abs().max()
    assert (curl - curl.T).abs().max() < 1e-6 * size
    if not options.get("encoder_only"):
        turned = jacobian(small("force", **options), length)
        assert (turned - turned.T).abs().max() > 0.1 * turned.abs().max()


@pytest.mark.parametrize("head", ["energy", "force"])
@pytest.mark.parametrize("attention", [False, True])
@pytest.mark.parametrize("length", [5, 16, 18])
def test_padding_does_not_leak(
    head: Head, attention: bool, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the padded frames hold and however many they are; not with plain statistics."""
    net = small(head, attention=attention)
    x, level, about = asked(length)

    def padded(extra: int, filled: float) -> Tensor:
        more = torch.cat((x, torch.full((len(x), extra, 2), filled, dtype=x.dtype)), dim=1)
        mask = (torch.arange(length + extra) < length).double().expand(len(x), -1)
        with torch.no_grad():
            out = net(more, level, about, mask)
        assert bool((out[:, length:] == 0).all())
        return out[:, :length]

    with torch.no_grad():
        alone = net(x, level, about)
    for extra, filled in ((3, 0.0), (8, 50.0), (11, -7.0)):
        torch.testing.assert_close(padded(extra, filled), alone, rtol=1e-9, atol=1e-10)
    among = temporal_blocks.MaskedGroupNorm.among
    monkeypatch.setattr(
        temporal_blocks.MaskedGroupNorm, "among", lambda self, x, mask: among(self, x, None)
    )
    assert (padded(11, 0.0) - alone).abs().max() > 1e-3


@pytest.mark.parametrize("head", ["energy", "force"])
def test_every_block_is_told_of_level_and_conditions(head: Head) -> None:
    net = small(head)
    x, level, about = asked(8)
    with torch.no_grad():
        plain = net(x, level, about)
        assert (net(x, level + 50, about) - plain).abs().max() > 1e-4
        assert (net(x, level, about + 1) - plain).abs().max() > 1e-4
    out = net(x, level, about)
    out.square().sum().backward()
    idle = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    # the sum of the energies does not feel a constant
    assert idle == (["last.bias"] if head == "energy" else [])


def test_a_force_needs_the_way_up() -> None:
    with pytest.raises(ValueError, match="way up"):
        small("force", encoder_only=True)
