//! What the pages look like: one stylesheet, one script for copy buttons, one icon. Their names hold the hash of their
//! content, so browsers may keep them for good.

use std::sync::LazyLock;

use axum::{
    extract::{Path, State},
    http::header::{CACHE_CONTROL, CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use std::sync::Arc;

use super::{Pages, public_url::PublicUrl, turnaway::Turnaway};
use crate::auth::authorization_secret::Hash;

/// One file.
struct Asset {
    name: String,
    kind: &'static str,
    content: &'static str,
}

impl Asset {
    fn new(stem: &str, extension: &str, kind: &'static str, content: &'static str) -> Self {
        Self { name: format!("{stem}.{}.{extension}", &Hash::of(content).as_str()[..16]), kind, content }
    }
}

static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("style", "css", "text/css; charset=utf-8", include_str!("../../templates/style.css")));
static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("copy", "js", "text/javascript; charset=utf-8", include_str!("../../templates/copy.js"))
});
static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_str!("../../templates/icon.svg")));

/// Addresses of the assets, for the head of every page.
#[derive(Clone, Debug)]
pub struct Assets {
    /// The stylesheet.
    pub style: String,
    /// The script.
    pub script: String,
    /// The icon.
    pub icon: String,
}

impl Assets {
    /// Their addresses below the public URL.
    #[must_use]
    pub fn of(url: &PublicUrl) -> Self {
        let at = |asset: &Asset| format!("{}/assets/{}", url.prefix(), asset.name);
        Self { style: at(&STYLE), script: at(&SCRIPT), icon: at(&ICON) }
    }
}

/// `GET …/assets/{name}`
pub async fn serve(State(pages): State<Arc<Pages>>, Path(name): Path<String>) -> Response {
    match [&STYLE, &SCRIPT, &ICON].into_iter().find(|asset| asset.name == name) {
        Some(asset) => {
            let headers = [(CONTENT_TYPE, asset.kind), (CACHE_CONTROL, "public, max-age=31536000, immutable")];
            (headers, asset.content).into_response()
        }
        None => pages.turn_away(Turnaway::NoPage, None),
    }
}
