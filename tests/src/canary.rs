//! Values that must be seen nowhere, and the forms in which they might be.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// A value as it may show up: as it is, percent-encoded, and in base64 wherever it begins in a group of three bytes.
#[must_use]
pub fn forms(value: &str) -> Vec<String> {
    let escaped: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
    let encoded = (0..3).map(|before| {
        let text = STANDARD.encode([" ".repeat(before).as_bytes(), value.as_bytes()].concat());
        // The groups at both ends depend on the neighbours.
        text[if before == 0 { 0 } else { 4 }..text.len() - 4].to_owned()
    });
    encoded.chain([value.to_owned(), escaped]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_in_base64_wherever_it_begins() {
        for before in ["", "a", "ab", "abc"] {
            let text = STANDARD.encode(format!("{before}a value that nobody may see, and more"));
            assert!(forms("a value that nobody may see").iter().any(|form| text.contains(form)), "after {before:?}");
        }
    }
}
