//! How deep arrays and objects nest, counted without parsing.

use proto_schemas::limit::JSON_DEPTH_MAX;

/// Whether some value nests deeper than allowed. Counts brackets outside strings, so it is also right for text that is
/// not JSON: no parser ever sees what it refuses.
pub fn exceeds(text: &str) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > JSON_DEPTH_MAX {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_count_only_outside_strings() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        for (text, expect) in [
            (nested(JSON_DEPTH_MAX), false),
            (nested(JSON_DEPTH_MAX + 1), true),
            ("[".repeat(1_000_000), true),
            (format!("\"{}\"", nested(99)), false),
            (format!("\"\\\"{}\"", nested(99)), false),
            (format!("\"\\\\\"{}", nested(99)), true),
            ("[],".repeat(99), false),
        ] {
            assert_eq!(exceeds(&text), expect, "{}", &text[..text.len().min(40)]);
        }
    }
}
