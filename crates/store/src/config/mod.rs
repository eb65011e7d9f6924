//! Configuration: reads and checks TOML files and `--set` changes.
//!
//! [`load`] reports every unknown key, wrong type and value outside its range at once.

pub mod loss;
pub mod model;
pub mod optimizer;
pub mod reference;
pub mod schema;
pub mod search;
pub mod search_space;
pub mod segmentation;
pub mod segmentation_loss;
pub mod simulate;
pub mod start;
pub mod study;
pub mod train;

use std::collections::HashSet;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;
use toml::{Table, Value};

pub use porecast_base::{Checks, Problem, Validate};
use porecast_base::{Error, Result};

const CAMPAIGN: &str = "a campaign";
const TRAINING: &str = "a training on invasions";
const SEGMENTATION: &str = "a segmentation study";
const SEARCH: &str = "a search";
const STUDY: &str = "a study";

/// What a configuration is of, from its keys, and the command that takes it.
fn kind_of(table: &Table) -> Option<(&'static str, &'static str)> {
    let has = |key| table.contains_key(key);
    if has("task") {
        Some((SEGMENTATION, "porecast prepare` or `porecast train"))
    } else if has("dataset") {
        Some((TRAINING, "porecast train"))
    } else if has("parameter") {
        Some((SEARCH, "porecast search"))
    } else if has("stage") {
        Some((STUDY, "porecast study"))
    } else if has("domain") {
        Some((CAMPAIGN, "porecast simulate"))
    } else {
        None
    }
}

/// A list as it is written in a configuration.
fn shown<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Checks the name of a run, which is also the name of its folder.
fn plain_name(checks: &mut Checks, name: &str) {
    let plain = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    checks.expect(
        !name.is_empty() && name.chars().all(plain),
        "name",
        format!("{name:?}"),
        "one or more letters, digits, '-', '_' and '.'",
    );
}

/// How the problem with an unknown key begins.
const NO_SUCH_KEY: &str = "there is no such key";

/// Reads a configuration from a TOML file, applies the changes in `sets` (`key.path=value`) and
/// checks it.
///
/// # Errors
/// The file cannot be read or is not TOML, a change has another form, or the configuration has
/// problems; the error lists all of them.
pub fn load<T: Serialize + DeserializeOwned + Validate>(path: &Path, sets: &[String]) -> Result<T> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::unreadable(path, e))?;
    parse(&path.display().to_string(), &text, sets)
}

/// [`load`] for a text; `place` names it in errors.
///
/// # Errors
/// As [`load`].
pub fn parse<T: Serialize + DeserializeOwned + Validate>(
    place: &str,
    text: &str,
    sets: &[String],
) -> Result<T> {
    let mut table: Table =
        toml::from_str(text).map_err(|e| Error::config(place, one_line("is not TOML", text, &e)))?;
    let kind = kind_of(&table).filter(|(kind, _)| !T::KIND.is_empty() && *kind != T::KIND);
    for set in sets {
        let (key, value) = set
            .split_once('=')
            .ok_or_else(|| Error::config(format!("--set {set}"), "expected key.path=value"))?;
        override_value(&mut table, key.trim(), value.trim())
            .map_err(|what| Error::config(format!("--set {set}"), what))?;
    }
    let (config, mut problems) = read_table::<T>(table);
    if let Some(config) = &config {
        point_to_tables(&mut problems, config);
        problems.extend(config.problems());
    }
    match (config, kind) {
        (Some(config), _) if problems.is_empty() => Ok(config),
        (_, Some((kind, command))) => {
            let what = format!("is the configuration of {kind}, not of {}; pass it to `{command}`", T::KIND);
            Err(Error::config(place, what))
        }
        _ => Err(Error::config(place, list(&problems))),
    }
}

/// Says where an unknown key at the top is known: `training.epochs` for `epochs`.
fn point_to_tables(problems: &mut [Problem], config: &impl Serialize) {
    let Ok(table) = Table::try_from(config) else { return };
    let mut known = Vec::new();
    key_paths("", &Value::Table(table), &mut known);
    for problem in problems.iter_mut().filter(|problem| problem.what.starts_with(NO_SUCH_KEY)) {
        let end = format!(".{}", problem.key);
        let found: Vec<String> =
            known.iter().filter(|path| path.ends_with(&end)).map(|path| format!("`{path}`")).collect();
        if !found.is_empty() {
            problem.what = format!("{NO_SUCH_KEY}; did you mean {}?", found.join(" or "));
        }
    }
}

/// Appends the path of each key of a value, as `--set` takes it.
fn key_paths(path: &str, value: &Value, paths: &mut Vec<String>) {
    let mut below = |key: &str, value| {
        let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        key_paths(&path, value, paths);
        paths.push(path);
    };
    match value {
        Value::Table(table) => table.iter().for_each(|(key, value)| below(key, value)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| below(&index.to_string(), value));
        }
        _ => {}
    }
}

/// The configuration as TOML, with every default spelt out.
///
/// # Errors
/// TOML cannot express a value.
pub fn to_toml<T: Serialize>(config: &T) -> Result<String> {
    toml::to_string(config)
        .map_err(|e| Error::config("configuration", format!("cannot be written as TOML: {e}")))
}

/// Deserialises a table and reports every bad key: each one is removed before the next attempt, so
/// that it does not hide the others. The value is `None` if a key is missing or a bad one cannot be
/// removed.
pub fn read_table<T: DeserializeOwned>(table: Table) -> (Option<T>, Vec<Problem>) {
    let mut root = Value::Table(table);
    let mut problems: Vec<Problem> = Vec::new();
    let mut removed = HashSet::new();
    loop {
        let error = match serde_path_to_error::deserialize::<_, T>(root.clone()) {
            Ok(value) => return (Some(value), problems),
            Err(error) => error,
        };
        let mut path: Vec<Segment> = error.path().iter().cloned().collect();
        let message = first_line(&error.inner().to_string());
        let unknown = quoted_after(&message, "unknown field ");
        if let Some(name) = unknown {
            // The path ends at the key or at the table around it, depending on the kind of that table.
            if !matches!(path.last(), Some(Segment::Map { key }) if key == name) {
                path.push(Segment::Map { key: name.to_owned() });
            }
        }
        let key = key_path(&path);
        if let Some(name) = quoted_after(&message, "missing field ") {
            let full = if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
            // A key removed because of its value is not missing.
            if !removed.contains(&full) {
                problems.push(Problem::new(full, "is missing"));
            }
            return (None, problems);
        }
        let what = match (unknown, find(&mut root, &path)) {
            (Some(name), _) => format!("{NO_SUCH_KEY}{}", suggestion(name, &message)),
            (None, Some(value)) => {
                format!("{} is not valid: {}", shorten(&value.to_string()), in_words(&message))
            }
            (None, None) => in_words(&message),
        };
        problems.push(Problem::new(if key.is_empty() { ".".to_owned() } else { key.clone() }, what));
        if path.is_empty() || !remove(&mut root, &path) {
            return (None, problems);
        }
        removed.insert(key);
    }
}

fn list(problems: &[Problem]) -> String {
    match problems {
        [one] => format!("{}: {}", one.key, one.what),
        many => {
            let mut text = format!("{} problems", many.len());
            for Problem { key, what } in many {
                text.push_str(&format!("\n  {key}: {what}"));
            }
            text
        }
    }
}

fn one_line(what: &str, text: &str, error: &toml::de::Error) -> String {
    let line = error.span().map(|span| text[..span.start.min(text.len())].lines().count().max(1));
    let place = line.map(|line| format!(" (line {line})")).unwrap_or_default();
    format!("{what}{place}: {}", first_line(error.message()))
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

fn shorten(text: &str) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= 60 { line } else { line.chars().take(57).collect::<String>() + "..." }
}

/// A message of serde without names of Rust.
fn in_words(message: &str) -> String {
    if message.contains("untagged enum") {
        return "it has none of the forms that this key takes".to_owned();
    }
    let message = message.replace("invalid type: map", "invalid type: a table");
    let message = message.replace("invalid type: sequence", "invalid type: a list");
    let message = message.replace("unknown variant", "unknown word").replace("unit variant", "a word");
    let Some((found, expected)) = message.split_once(", expected ") else { return message };
    let expected = match expected {
        "f64" | "f32" => "a number",
        "usize" | "u64" | "u32" | "u16" | "u8" => "a whole number from 0",
        "i64" | "i32" => "a whole number",
        "a sequence" => "a list",
        "a map" => "a table",
        "newtype variant" | "struct variant" | "tuple variant" => "a table with its values",
        "string or map" | "wanted string or table" => "a word or a table",
        other if other.starts_with("struct ") || other.contains("internally tagged enum") => "a table",
        other if other.starts_with("enum ") => "a word",
        other if other.starts_with("a tuple of size ") => {
            &other.replace("a tuple of size", "a list of length")
        }
        other if other.starts_with("an array of length ") => &other.replace("an array", "a list"),
        other => other,
    };
    format!("{found}, expected {expected}")
}

/// The name in backticks after `before`.
fn quoted_after<'a>(message: &'a str, before: &str) -> Option<&'a str> {
    message.strip_prefix(before)?.strip_prefix('`')?.split('`').next()
}

/// Suggests the key nearest to `name` among those that serde's message expects.
fn suggestion(name: &str, message: &str) -> String {
    let expected: Vec<&str> = message
        .split_once("expected")
        .map(|(_, list)| list.split('`').skip(1).step_by(2).collect())
        .unwrap_or_default();
    let nearest = expected.iter().map(|key| (edit_distance(name, key), *key)).min();
    match nearest {
        Some((distance, key)) if distance <= 2.max(name.len() / 3) => format!("; did you mean `{key}`?"),
        _ if expected.is_empty() => String::new(),
        _ => format!("; the keys here are {}", expected.join(", ")),
    }
}

/// Levenshtein distance.
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.chars().enumerate() {
            let change = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

fn key_path(path: &[Segment]) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => text.push_str(&format!("[{index}]")),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
            }
            Segment::Unknown => text.push('?'),
        }
    }
    text
}

fn step<'a>(value: &'a mut Value, segment: &Segment) -> Option<&'a mut Value> {
    match (value, segment) {
        (Value::Array(items), Segment::Seq { index }) => items.get_mut(*index),
        (Value::Table(table), Segment::Map { key } | Segment::Enum { variant: key }) => table.get_mut(key),
        _ => None,
    }
}

fn find<'a>(root: &'a mut Value, path: &[Segment]) -> Option<&'a mut Value> {
    path.iter().try_fold(root, step)
}

fn remove(root: &mut Value, path: &[Segment]) -> bool {
    let Some((last, parents)) = path.split_last() else { return false };
    match (find(root, parents), last) {
        (Some(Value::Table(table)), Segment::Map { key } | Segment::Enum { variant: key }) => {
            table.remove(key).is_some()
        }
        _ => false,
    }
}

/// Applies `--set key=text` to the table. Text that is not a TOML value becomes a string.
fn override_value(table: &mut Table, key: &str, text: &str) -> std::result::Result<(), String> {
    let value = toml::from_str::<Table>(&format!("value = {text}"))
        .ok()
        .and_then(|mut parsed| if parsed.len() == 1 { parsed.remove("value") } else { None })
        .unwrap_or_else(|| Value::String(text.to_owned()));
    let (parents, last) = match key.rsplit_once('.') {
        Some((parents, last)) => (parents.split('.').collect(), last),
        None => (Vec::new(), key),
    };
    if last.is_empty() || parents.iter().any(|parent: &&str| parent.is_empty()) {
        return Err("expected key.path=value".to_owned());
    }
    let Some((first, rest)) = parents.split_first() else {
        table.insert(last.to_owned(), value);
        return Ok(());
    };
    let mut place = table.entry(*first).or_insert_with(|| Value::Table(Table::new()));
    for segment in rest {
        place = match place {
            Value::Table(table) => table.entry(*segment).or_insert_with(|| Value::Table(Table::new())),
            Value::Array(items) => element(items, segment)?,
            _ => return Err(format!("there is no table above `{segment}`")),
        };
    }
    match place {
        Value::Table(table) => drop(table.insert(last.to_owned(), value)),
        Value::Array(items) => *element(items, last)? = value,
        _ => return Err(format!("there is no table above `{last}`")),
    }
    Ok(())
}

fn element<'a>(items: &'a mut [Value], index: &str) -> std::result::Result<&'a mut Value, String> {
    let count = items.len();
    index
        .parse::<usize>()
        .ok()
        .and_then(|index| items.get_mut(index))
        .ok_or_else(|| format!("`{index}` is not an index below {count}"))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Campaign {
        domains: usize,
        #[serde(default)]
        name: String,
        #[serde(default)]
        clock: Clock,
        #[serde(default)]
        mix: Vec<Clock>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Clock {
        frames: usize,
        until: f64,
    }

    impl Default for Clock {
        fn default() -> Self {
            Self { frames: 26, until: 1.0 }
        }
    }

    impl Validate for Campaign {
        fn problems(&self) -> Vec<Problem> {
            let mut problems = Vec::new();
            if self.domains == 0 {
                problems.push(Problem::outside("domains", self.domains, "1, 2, ..."));
            }
            if self.clock.frames < 2 {
                problems.push(Problem::outside("frames", self.clock.frames, "2, 3, ...").below("clock"));
            }
            problems
        }
    }

    fn read(text: &str, sets: &[&str]) -> Result<Campaign> {
        let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
        parse("campaign.toml", text, &sets)
    }

    #[test]
    fn every_problem_is_reported_at_once_with_its_key_path() {
        let text = "domains = 0\ntyop = 1\nuntil = 2\n[clock]\nframs = 3\nframes = 1\nuntil = \"late\"\n[[mix]]\nframes = -1\n[[mix]]\nx = 1";
        let error = read(text, &[]).unwrap_err().to_string();
        for wanted in [
            "8 problems",
            "\n  tyop: there is no such key",
            "\n  until: there is no such key; did you mean `clock.until`",
            "\n  clock.frams: there is no such key; did you mean `frames`?",
            "\n  clock.until: \"late\" is not valid: invalid type: string \"late\", expected a number",
            "\n  domains: 0 is outside 1, 2, ...",
            "\n  clock.frames: 1 is outside 2, 3, ...",
            "\n  mix[0].frames: -1 is not valid: invalid value: integer `-1`, expected a whole number from 0",
            "\n  mix[1].x: there is no such key; the keys here are frames, until",
        ] {
            assert!(error.contains(wanted), "{error}\ndoes not say {wanted}");
        }
    }

    #[test]
    fn a_missing_key_is_named() {
        let error = read("name = \"x\"", &[]).unwrap_err().to_string();
        assert_eq!(error, "campaign.toml: domains: is missing");
    }

    #[test]
    fn a_text_that_is_not_toml_is_named_with_its_line() {
        let error = read("domains = 3\nname = = 2", &[]).unwrap_err().to_string();
        assert!(error.starts_with("campaign.toml: is not TOML (line 2)"), "{error}");
    }

    #[test]
    fn values_are_overridden_in_tables_and_in_arrays() {
        let config = read(
            "domains = 3\n[[mix]]\n[[mix]]\nframes = 4",
            &["domains=5", "clock.until=2", "mix.1.frames=7", "name=two words"],
        )
        .unwrap();
        assert_eq!((config.domains, config.clock.until, config.mix[1].frames), (5, 2.0, 7));
        assert_eq!(config.name, "two words");
    }

    #[test]
    fn an_override_that_fits_nowhere_is_refused() {
        let error = |set: &str| read("domains = 3\n[[mix]]", &[set]).unwrap_err().to_string();
        assert_eq!(error("domains"), "--set domains: expected key.path=value");
        assert!(error("mix.4.frames=1").contains("`4` is not an index below 1"));
        assert!(error("domains.x=1").contains("there is no table above `x`"));
        assert!(error("domans=1").contains("did you mean `domains`?"));
    }

    #[test]
    fn a_resolved_configuration_reads_back_equal() {
        let config = read("domains = 3\n[[mix]]", &["clock.frames=9"]).unwrap();
        assert_eq!(read(&to_toml(&config).unwrap(), &[]).unwrap(), config);
    }
}
