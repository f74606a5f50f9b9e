//! The pages for people: Swagger UI and ReDoc, whole in one file each, asking no other host for anything.

use crate::openapi::{document, service};
use poem::http::header;
use poem::{Response, handler};
use std::sync::LazyLock;

/// The pages bring their scripts and styles inline; whatever they try beyond this server is stopped by the browser.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; \
                      img-src 'self' data:; font-src data:; connect-src 'self'; worker-src blob:; \
                      frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

static DOCS: LazyLock<String> = LazyLock::new(|| with_our_document(service().swagger_ui_html()));
static REDOC: LazyLock<String> = LazyLock::new(|| without_fonts(&with_our_document(service().redoc_html())));

/// Swagger UI.
#[handler]
pub fn docs() -> Response {
    page(&DOCS)
}

/// ReDoc.
#[handler]
pub fn redoc() -> Response {
    page(&REDOC)
}

/// The document itself.
#[handler]
pub fn openapi_json() -> Response {
    Response::builder().header(header::CONTENT_TYPE, "application/json").body(document())
}

fn page(html: &'static str) -> Response {
    Response::builder()
        .header(header::CONTENT_TYPE, "text/html; charset=utf-8")
        .header(header::CONTENT_SECURITY_POLICY, POLICY)
        .header(header::CACHE_CONTROL, "max-age=600")
        .body(html)
}

fn with_our_document(html: String) -> String {
    html.replace(&service().spec(), document())
}

/// ReDoc's page names a stylesheet of web fonts; without it the browser's own are used.
fn without_fonts(html: &str) -> String {
    let is_font_link = |line: &&str| line.trim_start().starts_with("<link") && line.contains("fonts.googleapis.com");
    html.lines().filter(|line| !is_font_link(line)).collect::<Vec<_>>().join("\n")
}
