//! The pages for people: Swagger UI and ReDoc, whole in one file each, asking no other host for anything.

use crate::openapi::{document, service};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use poem::http::header;
use poem::{Response, handler};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// The pages bring their styles inline; whatever they try beyond this server is stopped by the browser, and so is any
/// script but their own.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; font-src data:; \
                      connect-src 'self'; worker-src blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; \
                      script-src";

/// Otherwise a browser asks for one.
const NO_ICON: &str = "<link rel=\"icon\" href=\"data:,\">";

static DOCS: LazyLock<Page> = LazyLock::new(|| Page::of(with_our_document(service().swagger_ui_html())));
static REDOC: LazyLock<Page> = LazyLock::new(|| Page::of(without_fonts(&with_our_document(service().redoc_html()))));

/// A page, and the policy that lets its own scripts run and no other.
struct Page {
    html: String,
    policy: String,
}

impl Page {
    fn of(html: String) -> Self {
        let html = html.replacen("<head>", &format!("<head>{NO_ICON}"), 1);
        let hashes: Vec<String> = scripts(&html).map(|text| format!(" 'sha256-{}'", hash(text))).collect();
        Self { policy: POLICY.to_owned() + &hashes.concat(), html }
    }

    fn answer(&'static self) -> Response {
        Response::builder()
            .header(header::CONTENT_TYPE, "text/html; charset=utf-8")
            .header(header::CONTENT_SECURITY_POLICY, &self.policy)
            .header(header::CACHE_CONTROL, "max-age=600")
            .body(self.html.as_str())
    }
}

/// Swagger UI.
#[handler]
pub fn docs() -> Response {
    DOCS.answer()
}

/// ReDoc.
#[handler]
pub fn redoc() -> Response {
    REDOC.answer()
}

/// The document itself.
#[handler]
pub fn openapi_json() -> Response {
    Response::builder().header(header::CONTENT_TYPE, "application/json").body(document())
}

/// The text of each script of a page, as a browser takes it.
fn scripts(html: &str) -> impl Iterator<Item = &str> {
    let mut rest = html;
    std::iter::from_fn(move || {
        let (_, from) = rest.split_once("<script")?;
        let (text, after) = from.split_once('>')?.1.split_once("</script>")?;
        rest = after;
        Some(text)
    })
}

/// As a policy names a script (CSP 3, 2.3.1).
fn hash(script: &str) -> String {
    STANDARD.encode(Sha256::digest(script))
}

fn with_our_document(html: String) -> String {
    html.replace(&service().spec(), document())
}

/// ReDoc's page names a stylesheet of web fonts; without it the browser's own are used.
fn without_fonts(html: &str) -> String {
    let is_font_link = |line: &&str| line.trim_start().starts_with("<link") && line.contains("fonts.googleapis.com");
    html.lines().filter(|line| !is_font_link(line)).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_allows_its_own_scripts_and_no_other() {
        let page =
            Page::of("<p><script>alert('Hello, world.');</script><script charset=\"UTF-8\">x</script>".to_owned());
        // The example of the specification.
        assert!(page.policy.contains(" 'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='"), "{}", page.policy);
        assert_eq!(page.policy.matches("'sha256-").count(), 2);
        for page in [&DOCS, &REDOC] {
            assert_eq!(page.policy.matches("'sha256-").count(), 2, "a bundle, and the document with its call");
            assert_eq!(page.html.matches("<script").count() - bundled(page), 2);
            let (_, of_scripts) = page.policy.split_once("script-src").unwrap();
            assert!(!of_scripts.contains("unsafe") && !page.html.contains('\r'), "{}", page.policy);
        }
    }

    /// How often a bundle itself says `<script`.
    fn bundled(page: &Page) -> usize {
        scripts(&page.html).map(|text| text.matches("<script").count()).sum()
    }
}
