//! Tables as kubectl prints them: columns by two spaces or more, no lines.

use super::palette::{Palette, Tone};

/// One field of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A field in a tone.
    pub fn toned(tone: Tone, text: impl Into<String>) -> Self {
        Self { text: text.into(), tone }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::toned(Tone::Plain, text)
    }
}

/// Rows of the same length, each column as wide as its widest field. The last column is not filled up.
#[must_use]
pub fn table(rows: &[Vec<Cell>], palette: Palette) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let line = |row: &Vec<Cell>| {
        let fields = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            let painted = palette.paint(cell.tone, &cell.text);
            if column + 1 == row.len() {
                return painted;
            }
            let gap = width + 2 - cell.text.chars().count();
            format!("{painted}{}", " ".repeat(gap))
        });
        fields.collect::<String>().trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_do_not_shift_columns() {
        let rows = [
            vec!["A".into(), "B".into()],
            vec![Cell::toned(Tone::Good, "True"), "x".into()],
            vec!["ü".into(), "".into()],
        ];
        assert_eq!(table(&rows, Palette::Plain), "A     B\nTrue  x\nü");
        assert_eq!(table(&rows, Palette::Coloured), "A     B\n\u{1b}[32mTrue\u{1b}[0m  x\nü");
    }
}
