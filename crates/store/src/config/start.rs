//! Configurations to start from: a short text per task, spelt out with every default and its meaning.

use std::collections::HashMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::reference::{self, Key};
use super::schema::ConfigKind;
use super::search::SearchConfig;
use super::segmentation::SegmentationConfig;
use super::simulate::SimulateConfig;
use super::study::StudyConfig;
use super::train::TrainConfig;
use super::{Validate, parse, to_toml};
use porecast_base::Result;

/// Longest line of a comment.
const WIDTH: usize = 100;

/// What a starting configuration is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// A training on invasions.
    Invasion,
    /// A segmentation study.
    Segmentation,
    /// A campaign of percolation.
    Percolation,
    /// A campaign of lattice Boltzmann.
    LatticeBoltzmann,
    /// A search for training settings.
    Search,
    /// A study of several stages.
    Study,
}

impl Start {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Percolation,
        Self::LatticeBoltzmann,
        Self::Invasion,
        Self::Segmentation,
        Self::Search,
        Self::Study,
    ];

    /// The kind of its file.
    pub fn kind(self) -> ConfigKind {
        match self {
            Self::Invasion => ConfigKind::Invasion,
            Self::Segmentation => ConfigKind::Segmentation,
            Self::Percolation | Self::LatticeBoltzmann => ConfigKind::Simulate,
            Self::Search => ConfigKind::Search,
            Self::Study => ConfigKind::Study,
        }
    }

    /// The settings that differ from the defaults.
    fn given(self) -> &'static str {
        match self {
            Self::Invasion => include_str!("start/invasion.toml"),
            Self::Segmentation => include_str!("start/segmentation.toml"),
            Self::Percolation => include_str!("start/percolation.toml"),
            Self::LatticeBoltzmann => include_str!("start/lattice-boltzmann.toml"),
            Self::Search => include_str!("start/search.toml"),
            Self::Study => include_str!("start/study.toml"),
        }
    }

    /// The commented configuration: keys at their default begin with `#`.
    ///
    /// # Errors
    /// TOML cannot express a value.
    pub fn text(self) -> Result<String> {
        let given = self.given();
        let resolved = match self.kind() {
            ConfigKind::Invasion => spelt_out::<TrainConfig>(given),
            ConfigKind::Segmentation => spelt_out::<SegmentationConfig>(given),
            ConfigKind::Simulate => spelt_out::<SimulateConfig>(given),
            ConfigKind::Search => spelt_out::<SearchConfig>(given),
            ConfigKind::Study => spelt_out::<StudyConfig>(given),
        }?;
        let head: String = given.lines().take_while(|line| line.starts_with('#')).fold(String::new(), line);
        let note = "# Keys that begin with `#` have their default; remove the `#` to change them. `porecast config explain \
                    KEY`\n# says more about a key.\n\n";
        let given: Table = given.parse().unwrap_or_default();
        Ok(head + note + &commented(&resolved, &given, self.kind()))
    }
}

fn line(text: String, line: &str) -> String {
    text + line + "\n"
}

fn spelt_out<T: DeserializeOwned + Validate + Serialize>(given: &str) -> Result<String> {
    to_toml(&parse::<T>("starting configuration", given, &[])?)
}

/// The configuration with the meaning of each key above it; keys that are not `given` begin with `#`.
fn commented(resolved: &str, given: &Table, kind: ConfigKind) -> String {
    let keys = reference::keys(kind);
    let about: HashMap<String, &Key> = keys.iter().rev().map(|key| (key.path.clone(), key)).collect();
    let mut text = String::new();
    // Path of the current table as in the reference, its place in `given`, and the tables seen.
    let (mut table, mut place) = (String::new(), Some(given));
    let mut counts: HashMap<String, usize> = HashMap::new();
    let mut shown: Vec<String> = Vec::new();
    for line in resolved.lines().filter(|line| !line.is_empty()) {
        if let Some(name) = line.strip_prefix("[[").and_then(|rest| rest.strip_suffix("]]")) {
            *counts.entry(name.to_owned()).or_insert(0) += 1;
        }
        if let Some(name) = line.strip_prefix('[') {
            let name = name.trim_matches(['[', ']']);
            (table, place) = locate(name, given, &counts);
            text.push('\n');
            text += &comment(about.get(table.trim_end_matches("[]")).copied());
            text += &format!("{line}\n");
            shown.push(table.clone());
        } else {
            let name = line.split(" = ").next().unwrap_or(line);
            let path = if table.is_empty() { name.to_owned() } else { format!("{table}.{name}") };
            let key = about.get(&path).copied();
            text += &comment(key);
            let is_set = place.is_some_and(|table| table.contains_key(name));
            let is_needed = key.is_none_or(|key| key.is_required || key.is_choice);
            text += if is_set || is_needed { "" } else { "#" };
            text += &format!("{line}\n");
            shown.push(path);
        }
    }
    let is_here = |key: &&Key| {
        let parent = key.path.rsplit_once('.').map(|(parent, _)| parent.to_owned());
        parent.is_none_or(|parent| shown.contains(&parent))
            && !shown.iter().any(|path| path.trim_end_matches("[]") == key.path)
            && key.condition.is_none()
    };
    let more: Vec<&str> = keys.iter().filter(is_here).map(|key| key.path.as_str()).collect();
    if !more.is_empty() {
        text += &format!("\n{}", wrapped(&format!("Keys that are not set above: {}.", more.join(", "))));
    }
    text
}

/// The path of a table as in the reference, and the table in `given`.
fn locate<'a>(name: &str, given: &'a Table, counts: &HashMap<String, usize>) -> (String, Option<&'a Table>) {
    let (mut path, mut plain) = (String::new(), String::new());
    let mut place = Some(given);
    for part in name.split('.') {
        for text in [&mut path, &mut plain] {
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(part);
        }
        let value = place.and_then(|table| table.get(part));
        place = match (value, counts.get(&plain)) {
            (Some(Value::Array(items)), Some(count)) => items.get(count - 1).and_then(Value::as_table),
            (value, _) => value.and_then(Value::as_table),
        };
        if counts.contains_key(&plain) {
            path.push_str("[]");
        }
    }
    (path, place)
}

/// The meaning of a key, its range or its choices as a comment.
fn comment(key: Option<&Key>) -> String {
    let Some(key) = key else { return String::new() };
    let choices: Vec<&str> = key.choices.iter().map(|(value, _)| value.as_str()).collect();
    let takes = match (choices.is_empty(), key.takes.as_str()) {
        (false, takes) => format!("{}{} {}.", takes[..1].to_uppercase(), &takes[1..], choices.join(", ")),
        (true, "table" | "list of tables" | "text" | "true or false" | "whole number at least 0") => {
            String::new()
        }
        (true, takes) if key.is_table => takes.to_owned(),
        (true, takes) => format!("{}{}.", takes[..1].to_uppercase(), &takes[1..]),
    };
    wrapped(format!("{} {takes}", key.about).trim_end())
}

/// A text as lines of comment.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::from("#")];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("a line");
        if last.chars().count() + word.chars().count() >= WIDTH {
            lines.push(format!("# {word}"));
        } else {
            last.push(' ');
            last.push_str(word);
        }
    }
    lines.join("\n") + "\n"
}
