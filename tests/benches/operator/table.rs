//! What was measured, for people and for programs.

use std::{fmt, fs, path::PathBuf};

use serde::Serialize;
use serde_json::json;

use super::machine::Machine;

/// The outcome of one measurement.
#[derive(Clone, Debug, Serialize)]
pub struct Table {
    /// Name of the measurement, and of its file.
    pub name: &'static str,
    /// What it says, in a sentence.
    pub title: String,
    /// One row for each case.
    pub rows: Vec<Row>,
    /// What a reader has to know, such as that the run is invalid.
    pub remarks: Vec<String>,
}

/// One case.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What was done.
    pub case: String,
    /// What came of it.
    pub figures: Vec<Figure>,
}

/// One number.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// What it counts.
    pub name: &'static str,
    /// The number.
    pub value: f64,
    /// Digits that mean something.
    #[serde(skip)]
    digits: usize,
    /// What it must not be above. Absent: it is a remark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most: Option<f64>,
    /// What it must not be below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub least: Option<f64>,
}

impl Figure {
    /// A count.
    pub fn count(name: &'static str, value: usize) -> Self {
        Self::of(name, value as f64, 0)
    }

    /// A number of which so many digits after the point mean something.
    pub fn of(name: &'static str, value: f64, digits: usize) -> Self {
        Self { name, value, digits, most: None, least: None }
    }

    /// With a target.
    pub fn at_most(self, most: f64) -> Self {
        Self { most: Some(most), ..self }
    }

    /// With a target.
    pub fn at_least(self, least: f64) -> Self {
        Self { least: Some(least), ..self }
    }

    fn misses(&self) -> bool {
        self.most.is_some_and(|most| most < self.value) || self.least.is_some_and(|least| self.value < least)
    }

    fn text(&self) -> String {
        let mark = if self.misses() { "!" } else { "" };
        format!("{:.*}{mark}", self.digits, self.value)
    }

    fn target(&self) -> String {
        match (self.most, self.least) {
            (Some(most), _) => format!("≤ {most}"),
            (None, Some(least)) => format!("≥ {least}"),
            (None, None) => String::new(),
        }
    }
}

impl Table {
    /// Writes it to `target/bench/NAME.json`, and returns where.
    pub fn write(&self, machine: &Machine) -> PathBuf {
        let directory = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target")), PathBuf::from)
            .join("bench");
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join(format!("{}.json", self.name));
        let document = json!({ "machine": machine, "measurement": self });
        fs::write(&path, format!("{document:#}\n")).unwrap();
        path.canonicalize().unwrap()
    }
}

/// Cases side by side, figures below each other: there are few cases and many figures.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.name, self.title)?;
        let mut names: Vec<&str> = Vec::new();
        for figure in self.rows.iter().flat_map(|row| &row.figures) {
            if !names.contains(&figure.name) {
                names.push(figure.name);
            }
        }
        let wide = self.rows.iter().map(|row| row.case.chars().count().max(9)).collect::<Vec<_>>();
        write!(f, "{:<46}", "")?;
        for (row, wide) in self.rows.iter().zip(&wide) {
            write!(f, "  {:>wide$}", row.case)?;
        }
        writeln!(f, "  target")?;
        for name in names {
            write!(f, "{name:<46}")?;
            let mut target = String::new();
            for (row, wide) in self.rows.iter().zip(&wide) {
                let figure = row.figures.iter().find(|figure| figure.name == name);
                let text = figure.map(Figure::text).unwrap_or_default();
                write!(f, "  {text:>wide$}")?;
                target = figure.map(Figure::target).filter(|it| !it.is_empty()).unwrap_or(target);
            }
            writeln!(f, "  {target}")?;
        }
        self.remarks.iter().try_for_each(|remark| writeln!(f, "* {remark}"))
    }
}
