"""A page taken apart: its tags, its text and its forms, by the standard library's parser."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

Attributes = dict[str, str]


@dataclass
class Form:
    """A form and the fields that it would send as they stand."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


class HtmlPage(HTMLParser):
    """Reads a page once; then it can be asked."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, Attributes]] = []
        self.forms: list[Form] = []
        self._texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> Any:
        values = {name: value or "" for name, value in attrs}
        self.tags.append((tag, values))
        if tag == "form":
            self.forms.append(Form(values.get("action", ""), values.get("method", "get")))
        elif tag in ("input", "button") and self.forms and "name" in values:
            self.forms[-1].fields[values["name"]] = values.get("value", "")

    def handle_data(self, data: str) -> None:
        self._texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._texts).split())

    def all(self, tag: str) -> list[Attributes]:
        return [values for name, values in self.tags if name == tag]

    @property
    def links(self) -> list[str]:
        return [one["href"] for one in self.all("a")]

    @property
    def addresses(self) -> list[str]:
        """Everything that a browser could fetch or send something to."""
        names = ("href", "src", "srcset", "action", "formaction", "data", "poster")
        return [values[name] for _, values in self.tags for name in names if name in values]

    def form(self, action: str) -> Form:
        return next(one for one in self.forms if one.action == action)
