//! The forms in which a command answers.

use clap::{
    ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
};
use serde::Serialize;

use super::error::Error;

/// Form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[value(hide = true)]
    Text,
    /// For people, with more columns.
    Wide,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

impl Format {
    /// Reads the form of an answer that has no more columns to show.
    pub fn without_columns() -> impl TypedValueParser<Value = Self> {
        let forms = Self::value_variants().iter().filter(|form| **form != Self::Wide);
        PossibleValuesParser::new(forms.filter_map(ValueEnum::to_possible_value))
            .try_map(|text| Self::from_str(&text, false))
    }

    /// Whether a program reads the answer: one document, and nothing else on standard output.
    #[must_use]
    pub fn is_for_programs(self) -> bool {
        match self {
            Self::Text | Self::Wide => false,
            Self::Json | Self::Yaml => true,
        }
    }

    /// The answer as a document for programs. `None` if people read it.
    ///
    /// # Errors
    /// When the answer has no such form.
    pub fn document(self, answer: &impl Serialize) -> Result<Option<String>, Error> {
        match self {
            Self::Text | Self::Wide => Ok(None),
            Self::Json => {
                serde_json::to_string_pretty(answer).map(Some).map_err(|error| Error::Form(error.to_string()))
            }
            Self::Yaml => serde_yaml::to_string(answer)
                .map(|text| Some(text.trim_end().to_owned()))
                .map_err(|error| Error::Form(error.to_string())),
        }
    }
}
