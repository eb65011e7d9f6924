//! JSON Schema of the configuration files, from the structs that read them.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::search::SearchConfig;
use super::segmentation::SegmentationConfig;
use super::simulate::SimulateConfig;
use super::study::StudyConfig;
use super::train::TrainConfig;

/// A kind of configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigKind {
    /// A training on invasion sequences.
    Invasion,
    /// A segmentation study.
    Segmentation,
    /// A campaign of simulations.
    Simulate,
    /// A search for training settings.
    Search,
    /// A study of several stages.
    Study,
}

impl ConfigKind {
    /// All kinds, in the order of the reference.
    pub const ALL: [Self; 5] =
        [Self::Simulate, Self::Invasion, Self::Segmentation, Self::Search, Self::Study];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Invasion => "invasion",
            Self::Segmentation => "segmentation",
            Self::Simulate => "simulate",
            Self::Search => "search",
            Self::Study => "study",
        }
    }

    /// The JSON Schema of such a file (draft 7, which editors read), without references.
    pub fn schema(self) -> Value {
        match self {
            Self::Invasion => schema_of::<TrainConfig>(),
            Self::Segmentation => schema_of::<SegmentationConfig>(),
            Self::Simulate => schema_of::<SimulateConfig>(),
            Self::Search => schema_of::<SearchConfig>(),
            Self::Study => schema_of::<StudyConfig>(),
        }
    }
}

/// The JSON Schema of a configuration of `porecast train`: of a segmentation if it has the key `task`, of an invasion
/// otherwise.
pub fn training() -> Value {
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "if": { "required": ["task"] },
        "then": ConfigKind::Segmentation.schema(),
        "else": ConfigKind::Invasion.schema(),
    })
}

fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<T>().to_value()
}
