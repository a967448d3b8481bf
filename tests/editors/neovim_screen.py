"""A terminal's screen as Neovim describes it to its interfaces, drawn by Pillow."""

from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

__all__ = ["Screen"]

Json = object
FONTS = Path("/usr/share/fonts/truetype/dejavu")
FONT_SIZE_PX = 17
PADDING_PX = 14
DEFAULT_COLOURS = (0xE0E2EA, 0x14161B)


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How a cell looks.

    Attributes:
        foreground: Its text's colour; None for the screen's.
        background: Its ground's colour; None for the screen's.
        bold: Whether its text is bold.
        italic: Whether its text leans.
    """

    foreground: int | None = None
    background: int | None = None
    bold: bool = False
    italic: bool = False


@dataclass(slots=True, kw_only=True)
class Screen:
    """The grid of one Neovim, changed by its ``redraw`` notifications."""

    columns: int
    rows: int
    colours: tuple[int, int] = DEFAULT_COLOURS
    styles: dict[int, Style] = field(default_factory=dict)
    cells: list[list[tuple[str, int]]] = field(default_factory=list)
    cursor: tuple[int, int] = (0, 0)
    inserts: bool = False

    def __post_init__(self) -> None:
        """Begin empty."""
        self.cells = [self._blank_row() for _ in range(self.rows)]

    def _blank_row(self) -> list[tuple[str, int]]:
        return [(" ", 0)] * self.columns

    def apply(self, batches: list[list[Json]]) -> bool:
        """Take a notification's events, and tell whether the screen is whole now."""
        for name, *calls in batches:
            handler = getattr(self, f"_on_{name}", None)
            if handler is None:
                continue
            for call in calls:
                assert isinstance(call, list)
                handler(*call)
        return any(name == "flush" for name, *_ in batches)

    def _on_default_colors_set(
        self, foreground: int, background: int, *_: object
    ) -> None:
        self.colours = (
            foreground if foreground >= 0 else DEFAULT_COLOURS[0],
            background if background >= 0 else DEFAULT_COLOURS[1],
        )

    def _on_hl_attr_define(self, style: int, rgb: dict[str, int], *_: object) -> None:
        foreground, background = rgb.get("foreground"), rgb.get("background")
        if "reverse" in rgb:
            background = rgb.get("foreground", self.colours[0])
            foreground = rgb.get("background", self.colours[1])
        self.styles[style] = Style(
            foreground=foreground,
            background=background,
            bold=bool(rgb.get("bold")),
            italic=bool(rgb.get("italic")),
        )

    def _on_grid_clear(self, _grid: int) -> None:
        self.cells = [self._blank_row() for _ in range(self.rows)]

    def _on_grid_line(
        self, _grid: int, row: int, column: int, cells: list[list[Json]], *_wraps: Json
    ) -> None:
        style = 0
        for text, *more in cells:
            style = int(str(more[0])) if more else style
            for _ in range(int(str(more[1])) if len(more) > 1 else 1):
                self.cells[row][column] = (str(text), style)
                column += 1

    def _on_grid_scroll(
        self, _grid: int, top: int, bottom: int, left: int, right: int, by: int, _: int
    ) -> None:
        rows = range(top, bottom) if by > 0 else range(bottom - 1, top - 1, -1)
        for row in rows:
            if top <= row + by < bottom:
                self.cells[row][left:right] = self.cells[row + by][left:right]

    def _on_grid_cursor_goto(self, _grid: int, row: int, column: int) -> None:
        self.cursor = (row, column)

    def _on_mode_change(self, mode: str, _: int) -> None:
        self.inserts = mode == "insert"

    def picture(self) -> Image.Image:
        """Draw the screen."""
        fonts = {
            (bold, italic): ImageFont.truetype(
                FONTS / f"DejaVuSansMono{_suffix(bold=bold, italic=italic)}.ttf",
                FONT_SIZE_PX,
            )
            for bold in (False, True)
            for italic in (False, True)
        }
        width = round(fonts[False, False].getlength("M"))
        height = FONT_SIZE_PX + 6
        size = (
            self.columns * width + 2 * PADDING_PX,
            self.rows * height + 2 * PADDING_PX,
        )
        image = Image.new("RGB", size, _rgb(self.colours[1]))
        draw = ImageDraw.Draw(image)
        for row, line in enumerate(self.cells):
            for column, (text, number) in enumerate(line):
                style = self.styles.get(number, Style())
                x, y = PADDING_PX + column * width, PADDING_PX + row * height
                if style.background is not None:
                    draw.rectangle(
                        (x, y, x + width - 1, y + height - 1), _rgb(style.background)
                    )
                colour = style.foreground
                colour = self.colours[0] if colour is None else colour
                font = fonts[style.bold, style.italic]
                draw.text((x, y + 2), text, _rgb(colour), font=font)
        x = PADDING_PX + self.cursor[1] * width
        y = PADDING_PX + self.cursor[0] * height
        wide = 2 if self.inserts else width
        draw.rectangle((x, y, x + wide - 1, y + height - 1), _rgb(self.colours[0]))
        return image


def _suffix(*, bold: bool, italic: bool) -> str:
    if bold and italic:
        return "-BoldOblique"
    return "-Bold" if bold else "-Oblique" if italic else ""


def _rgb(colour: int) -> tuple[int, int, int]:
    return (colour >> 16 & 255, colour >> 8 & 255, colour & 255)
