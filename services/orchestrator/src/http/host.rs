//! What names a host, and what may stand in the place of a path. Pure.

use poem::http::Uri;

/// DNS allows 253 characters; a port needs six.
const HOST_CHARS_MAX: usize = 260;

/// A name or an address, and maybe a port. No user and nothing encoded: no client of an API needs them, and what reads
/// them differently is what an attacker looks for.
pub fn is_host(value: &[u8]) -> bool {
    if value.len() > HOST_CHARS_MAX {
        return false;
    }
    if let Some(rest) = value.strip_prefix(b"[") {
        let Some(end) = rest.iter().position(|byte| *byte == b']') else { return false };
        let is_address = std::str::from_utf8(&rest[..end]).is_ok_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok());
        return is_address && is_port(&rest[end + 1..]);
    }
    let end = value.iter().position(|byte| *byte == b':').unwrap_or(value.len());
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_".contains(byte);
    end > 0 && value[..end].iter().all(is_name) && is_port(&value[end..])
}

/// Nothing, or a colon and up to five digits.
fn is_port(rest: &[u8]) -> bool {
    match rest.split_first() {
        None => true,
        Some((colon, digits)) => *colon == b':' && digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
    }
}

/// A path, a whole `http` address, or the asterisk of OPTIONS. A subset of what hyper can read.
pub fn is_target(method: &str, target: &str) -> bool {
    if !target.bytes().all(is_target_byte) {
        return false;
    }
    if target.starts_with('/') {
        return true;
    }
    if target == "*" {
        return method == "OPTIONS";
    }
    let Ok(uri) = Uri::try_from(target) else { return false };
    let is_web = uri.scheme_str().is_some_and(|scheme| ["http", "https"].contains(&scheme));
    is_web && uri.authority().is_some_and(|authority| is_host(authority.as_str().as_bytes()))
}

/// Every visible character but those that browsers, too, only send encoded.
fn is_target_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"#<>`".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address() {
        let long = "a".repeat(HOST_CHARS_MAX + 1);
        for (value, expect) in [
            ("x", true),
            ("localhost:8000", true),
            ("api.example.org", true),
            ("my_service-1:1", true),
            ("127.0.0.1:65535", true),
            ("[::1]", true),
            ("[::1]:8000", true),
            ("[::ffff:127.0.0.1]", true),
            ("x:", true), // RFC 3986 allows it
            ("", false),
            (":80", false),
            ("user@x", false),
            ("x:80x", false),
            ("x:123456", false),
            ("x:1:2", false),
            ("x/y", false),
            ("x y", false),
            ("x,y", false),
            ("x%00", false),
            ("\u{435}mail", false),
            ("::1", false),
            ("[::1", false),
            ("[]", false),
            ("[x]", false),
            ("[::1]x", false),
            (long.as_str(), false),
        ] {
            assert_eq!(is_host(value.as_bytes()), expect, "{value}");
        }
    }

    #[test]
    fn a_target_is_a_path_or_an_address_of_the_web() {
        for (method, target, expect) in [
            ("GET", "/", true),
            ("GET", "/tasks?status=failed&x={y}|[z]", true),
            ("GET", "/..%2f..%2fetc%2fpasswd", true),
            ("GET", "http://x/tasks", true),
            ("GET", "http://[::1]:8000", true),
            ("OPTIONS", "*", true),
            ("GET", "*", false),
            ("GET", "tasks", false),
            ("GET", "x:80", false),
            ("GET", "ftp://x/", false),
            ("GET", "http://user@x/", false),
            ("GET", "http:///tasks", false),
            ("GET", "/<script>", false),
            ("GET", "/a#b", false),
            ("GET", "/\u{e9}", false),
            ("GET", "/a\u{7f}", false),
        ] {
            assert_eq!(is_target(method, target), expect, "{method} {target}");
        }
    }

    #[test]
    fn hyper_can_read_every_target_that_passes() {
        for byte in 0..=127u8 {
            for target in [format!("/a{}b", char::from(byte)), format!("/?a{}b", char::from(byte))] {
                assert!(!is_target("GET", &target) || Uri::try_from(target.as_str()).is_ok(), "{target:?}");
            }
        }
    }
}
