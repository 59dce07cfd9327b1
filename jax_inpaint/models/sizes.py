"""What sizes of images a network takes."""

from jaxtyping import Array, Float


def require_multiples(image: Float[Array, "b h w c"], multiple: int, network: str) -> None:
    """Raises ValueError, naming both, unless height and width are multiples of a number."""
    height, width = image.shape[1:3]
    if height % multiple or width % multiple:
        raise ValueError(
            f"{network} needs height and width that are multiples of {multiple}, got "
            f"{height}x{width}; pad the image first"
        )
