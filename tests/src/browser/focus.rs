//! What has the focus, and whether a person sees it.

use serde::Deserialize;

/// Finds out about the focus.
pub(super) const SCRIPT: &str = r"
    const it = document.activeElement;
    if (!it || it === document.body || it === document.documentElement) return null;
    const style = getComputedStyle(it), box = it.getBoundingClientRect();
    const label = it.labels?.[0]?.textContent ?? it.getAttribute('aria-label') ?? it.textContent;
    const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
    return {
        element: it.localName + (it.id ? '#' + it.id : ''),
        label: label.trim().replace(/\s+/g, ' ').slice(0, 80),
        ringWidth: style.outlineStyle === 'none' ? 0 : parseFloat(style.outlineWidth),
        ringColour: style.outlineColor,
        ground: getComputedStyle(document.querySelector('main') ?? document.body).backgroundColor,
        inSight: 0 <= box.top && box.bottom <= innerHeight && 0 <= box.left && box.right <= innerWidth
            && (it.contains(top) || top?.contains(it) === true),
    };
";

/// The element that has the focus.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Focus {
    /// Name, and id after a `#`.
    pub element: String,
    /// Its label, or its text.
    pub label: String,
    /// Width of the ring around it in CSS pixels, 0 without one.
    pub ring_width: f64,
    /// Colour of the ring, as CSS computes it.
    pub ring_colour: String,
    /// Colour of the ground that the ring is on.
    pub ground: String,
    /// Whether it is inside the window as a whole, and nothing covers its middle.
    pub in_sight: bool,
}
