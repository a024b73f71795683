//! Whether everything has room.

use serde::Deserialize;

/// Finds what is wider than the page, or than the box that cuts it.
pub(super) const SCRIPT: &str = r"
    const found = [], width = document.documentElement.clientWidth;
    const name = it => it.localName + (it.id ? '#' + it.id : '') + ': ' + it.textContent.trim().slice(0, 40);
    if (document.documentElement.scrollWidth > width) {
        found.push({ element: 'the page', wide: document.documentElement.scrollWidth, room: width });
    }
    for (const it of document.body.querySelectorAll('*')) {
        const box = it.getBoundingClientRect(), style = getComputedStyle(it);
        if (box.width === 0 || style.visibility === 'hidden') continue;
        if (box.right > width + 0.5 || box.left < -0.5) {
            found.push({ element: name(it), wide: Math.ceil(box.right), room: width });
        }
        const cuts = value => value !== 'visible';
        if (it.clientWidth > 0 && cuts(style.overflowX) && it.scrollWidth > it.clientWidth + 1) {
            found.push({ element: name(it), wide: it.scrollWidth, room: it.clientWidth });
        }
        if (it.clientHeight > 0 && cuts(style.overflowY) && it.scrollHeight > it.clientHeight + 1) {
            found.push({ element: name(it), wide: it.scrollHeight, room: it.clientHeight });
        }
    }
    return found;
";

/// Something that does not fit.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Overflow {
    /// Name, id and the beginning of its text.
    pub element: String,
    /// How much room it takes, in CSS pixels.
    pub wide: f64,
    /// How much it has.
    pub room: f64,
}
