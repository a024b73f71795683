//! Text that comes from outside and is shown to people.

/// The longest text that [`clean`] gives, in characters.
const LONGEST: usize = 128;

/// Makes text from Jira fit to be shown in a status, an Event or a page.
///
/// Control characters, bidirectional and other invisible formatting characters are left out (Unicode Standard Annex 9
/// names the former; they can make a text read as another one); line breaks and tabs become one space. The rest is
/// trimmed and cut to 128 characters, the last of which is then `…`.
#[must_use]
pub fn clean(text: &str) -> String {
    let visible: String =
        text.chars().map(|it| if it.is_whitespace() { ' ' } else { it }).filter(|it| !is_hidden(*it)).collect();
    let words = visible.split(' ').filter(|it| !it.is_empty()).collect::<Vec<_>>().join(" ");
    if words.chars().count() <= LONGEST {
        return words;
    }
    words.chars().take(LONGEST - 1).chain(['…']).collect()
}

/// Whether a text can be shown as it is: an identifier that is cleaned would be another one.
#[must_use]
pub fn is_plain(text: &str) -> bool {
    !text.contains(is_hidden)
}

/// Whether a character changes how text is shown without being seen itself.
fn is_hidden(it: char) -> bool {
    it.is_control()
        || matches!(it,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{180E}' | '\u{FEFF}'
            | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{FFF9}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use super::clean;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case::plain("Fake Bot", "Fake Bot")]
    #[case::other_scripts("Šárka Ørsted 漢字", "Šárka Ørsted 漢字")]
    #[case::escape_sequence("a\u{1b}[31mred", "a[31mred")]
    #[case::line_breaks("a\r\n\tb\u{2028}c", "a b c")]
    #[case::right_to_left_override("gpj.\u{202E}exe", "gpj.exe")]
    #[case::isolates("\u{2066}a\u{2069}\u{200F}", "a")]
    #[case::tag_characters("a\u{E0041}b", "ab")]
    #[case::surrounding_space("  a  ", "a")]
    #[case::nothing_left("\u{200B}\u{0}", "")]
    fn hidden_characters_are_left_out(#[case] text: &str, #[case] shown: &str) {
        assert_eq!(clean(text), shown);
    }

    #[rstest]
    #[case(128, false)]
    #[case(129, true)]
    #[case(100_000, true)]
    fn long_text_is_cut_and_shows_it(#[case] length: usize, #[case] cut: bool) {
        let shown = clean(&"ä".repeat(length));
        assert_eq!(shown.chars().count(), 128);
        assert_eq!(shown.ends_with('…'), cut);
    }

    proptest! {
        #[test]
        fn cleaning_twice_changes_nothing(text in "\\PC*|.*") {
            let once = clean(&text);
            prop_assert_eq!(clean(&once), once.clone());
            prop_assert!(once.chars().count() <= 128 && !once.chars().any(char::is_control));
        }
    }
}
