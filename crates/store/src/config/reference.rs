//! Every key of the configuration files: type, range, default and meaning, read from their JSON Schema.

use serde_json::{Map, Value};

use super::edit_distance;
use super::schema::ConfigKind;
use porecast_base::{Error, Result};

/// A key of a configuration file.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// Its path; `[]` stands for the index in a list of tables.
    pub path: String,
    /// What it does.
    pub about: String,
    /// Type and range in words.
    pub takes: String,
    /// Values to choose from, with their meaning.
    pub choices: Vec<(String, String)>,
    /// Default as TOML; `None` if the key is required or not set.
    pub default: Option<String>,
    /// Whether its table needs it.
    pub is_required: bool,
    /// Setting that it applies with, such as `kind = "disc-pack"`.
    pub condition: Option<String>,
    /// Whether it is a choice with a value, such as `pore_volumes` in `until = { pore_volumes = 0.5 }`.
    pub is_choice: bool,
    /// Whether it is a table of other keys.
    pub is_table: bool,
    /// The part of the schema that describes it.
    pub schema: Value,
}

/// All keys of a kind of file; the keys of a table follow it, its tables last.
pub fn keys(kind: ConfigKind) -> Vec<Key> {
    let mut keys = Vec::new();
    add_properties(&mut keys, "", &kind.schema(), None);
    keys
}

/// The commands that read a key.
pub fn readers(kind: ConfigKind, path: &str) -> &'static str {
    let table = path.split(['.', '[']).next().unwrap_or_default();
    match (kind, table) {
        (ConfigKind::Simulate, _) => "simulate",
        (ConfigKind::Search, _) => "search",
        (ConfigKind::Study, "slurm") => "slurm",
        (ConfigKind::Study, _) => "study, slurm",
        (_, "prediction" | "mirrored_prediction" | "rescaled_prediction") => "predict, evaluate",
        (ConfigKind::Segmentation, "source") => "prepare",
        (ConfigKind::Segmentation, "task" | "dataset" | "classes" | "split") => "prepare, train",
        _ => "train",
    }
}

/// `porecast config list`: a line for each key.
pub fn list(kind: ConfigKind) -> String {
    let keys = keys(kind);
    let width = keys.iter().map(|key| key.path.chars().count()).max().unwrap_or(0);
    let line = |key: &Key| {
        let with = key.condition.as_ref().map(|condition| format!(" ({condition})")).unwrap_or_default();
        format!("{:<width$}  {}{with}\n", key.path, first_sentence(&key.about))
    };
    keys.iter().map(line).collect()
}

/// `porecast config explain`: describes a key in every kind of file that has it. The end of a path is enough.
///
/// # Errors
/// No file has such a key; the error names the nearest ones.
pub fn explain(asked: &str) -> Result<String> {
    let wanted = without_indices(asked);
    let all: Vec<(ConfigKind, Key)> = ConfigKind::ALL
        .into_iter()
        .flat_map(|kind| keys(kind).into_iter().map(move |key| (kind, key)))
        .collect();
    let end = format!(".{wanted}");
    let is_exact = |key: &Key| without_indices(&key.path) == wanted;
    let is_end = |key: &Key| without_indices(&key.path).ends_with(&end);
    let found: Vec<_> = if all.iter().any(|(_, key)| is_exact(key)) {
        all.iter().filter(|(_, key)| is_exact(key)).collect()
    } else {
        all.iter().filter(|(_, key)| is_end(key)).collect()
    };
    if found.is_empty() {
        let mut near: Vec<(usize, &str)> =
            all.iter().map(|(_, key)| (distance(&wanted, &key.path), key.path.as_str())).collect();
        near.sort_unstable();
        near.dedup();
        let near: Vec<&str> = near.into_iter().take(3).map(|(_, path)| path).collect();
        let what = format!(
            "there is no such key; the nearest are {}. `porecast config list` shows all",
            near.join(", ")
        );
        return Err(Error::config(asked, what));
    }
    // Files that have the same key share a description.
    let mut told: Vec<(&Key, Vec<ConfigKind>)> = Vec::new();
    for (kind, key) in found {
        match told.iter_mut().find(|(other, _)| *other == key) {
            Some((_, kinds)) => kinds.push(*kind),
            None => told.push((key, vec![*kind])),
        }
    }
    let texts: Vec<String> = told.iter().map(|(key, kinds)| description(key, kinds)).collect();
    Ok(texts.join("\n"))
}

fn description(key: &Key, kinds: &[ConfigKind]) -> String {
    let mut text = format!("{}\n  {}\n", key.path, key.about);
    text += &format!("  type     {}\n", key.takes);
    let width = key.choices.iter().map(|(value, _)| value.chars().count()).max().unwrap_or(0);
    for (value, about) in &key.choices {
        text += &format!("           {value:<width$}  {about}\n");
    }
    if !key.is_table || key.is_required {
        text += &format!("  default  {}\n", default_text(key));
    }
    if let Some(condition) = &key.condition {
        text += &format!("  with     {condition}\n");
    }
    let used: Vec<String> = kinds
        .iter()
        .map(|kind| format!("{} ({} configuration)", readers(*kind, &key.path), kind.name()))
        .collect();
    text += &format!("  read by  {}\n", used.join("; "));
    let below = keys(kinds[0]).into_iter().filter(|other| parent(&other.path) == Some(key.path.as_str()));
    let below: Vec<String> = below.map(|other| other.path).collect();
    if !below.is_empty() {
        text += &format!("  keys     {}\n", below.join("\n           "));
    }
    text
}

/// The page `docs/reference/configuration.md`.
pub fn page() -> String {
    let mut text = String::from(
        "# Every key of the configuration files\n\n\
         Written by `porecast config reference`; a test compares this page with what the program writes. \
         `porecast config explain KEY` shows one key, `porecast config invasion > my.toml` writes a configuration to \
         start from (also `segmentation`, `percolation`, `lattice-boltzmann`, `search`), and \
         `porecast config schema train > train.schema.json` a JSON Schema: editors with a TOML language server check a \
         file that begins with `#:schema train.schema.json`.\n\n\
         `--set key=value` changes any key on the command line. `[]` stands for the index in a list of tables: \
         `--set domain.0.weight=2`.\n",
    );
    let invasion = keys(ConfigKind::Invasion);
    for kind in ConfigKind::ALL {
        let title = match kind {
            ConfigKind::Simulate => "Campaign of simulations",
            ConfigKind::Invasion => "Training on invasions",
            ConfigKind::Segmentation => "Segmentation study",
            ConfigKind::Search => "Search for training settings",
            ConfigKind::Study => "Study of several stages",
        };
        text += &format!("\n## {title}\n");
        let keys = keys(kind);
        let mut tables: Vec<Option<&str>> = keys.iter().map(|key| parent(&key.path)).collect();
        tables.dedup();
        let mut done = Vec::new();
        for table in tables {
            let of = |keys: &[Key]| -> Vec<Key> {
                keys.iter().filter(|key| parent(&key.path) == table).cloned().collect()
            };
            let rows = of(&keys);
            if done.contains(&table) {
                continue;
            }
            done.push(table);
            if let Some(table) = table {
                text += &format!("\n### `{table}`{}\n", of_kind(kind));
            }
            if kind == ConfigKind::Segmentation && table.is_some() && rows == of(&invasion) {
                text += &format!("\nAs `{}` of a training on invasions.\n", table.unwrap_or_default());
                continue;
            }
            text += "\n| key | takes | default | meaning |\n|---|---|---|---|\n";
            for key in &rows {
                text += &row(key);
            }
        }
    }
    text
}

/// Distinguishes the headings of tables that several kinds of file have.
fn of_kind(kind: ConfigKind) -> String {
    format!(" ({})", kind.name())
}

fn row(key: &Key) -> String {
    let name = key.path.rsplit('.').next().unwrap_or_default();
    let mut about = key.about.clone();
    if let Some(condition) = &key.condition {
        about = format!("With `{condition}`: {about}");
    }
    for (value, meaning) in &key.choices {
        about += &format!("<br>`{value}`: {meaning}");
    }
    let default = match &key.default {
        Some(text) => format!("`{text}`"),
        None => default_text(key),
    };
    let default = if key.is_table && !key.is_required { String::new() } else { default };
    let cell = |text: &str| text.replace('|', "\\|");
    format!("| `{name}` | {} | {} | {} |\n", cell(&key.takes), cell(&default), cell(&about))
}

fn default_text(key: &Key) -> String {
    match (&key.default, key.is_required) {
        (Some(text), _) => text.clone(),
        (None, true) => "none: the key is required".to_owned(),
        (None, false) => "not set".to_owned(),
    }
}

/// The path of the table that a key is in.
pub fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('.').map(|(parent, _)| parent.trim_end_matches("[]"))
}

fn without_indices(path: &str) -> String {
    let mut text = String::new();
    let mut is_inside = false;
    for c in path.chars() {
        is_inside = (is_inside || c == '[') && c != ']';
        if !is_inside && c != ']' {
            text.push(c);
        }
    }
    // `domain.0.weight`, as `--set` writes it.
    text.split('.').filter(|part| part.parse::<usize>().is_err()).collect::<Vec<_>>().join(".")
}

/// Edit distance to a path, or to its last part.
fn distance(asked: &str, path: &str) -> usize {
    let last = path.rsplit('.').next().unwrap_or(path);
    edit_distance(asked, path).min(edit_distance(asked.rsplit('.').next().unwrap_or(asked), last) + 1)
}

fn first_sentence(text: &str) -> &str {
    text.split_once(". ").map_or(text, |(first, _)| first).trim_end_matches('.')
}

/// Adds the keys of a table, those that are not tables first.
fn add_properties(keys: &mut Vec<Key>, prefix: &str, schema: &Value, condition: Option<&str>) {
    let Some(properties) = schema["properties"].as_object() else { return };
    let is_required = |name: &str| {
        schema["required"].as_array().is_some_and(|names| names.iter().any(|other| other == name))
    };
    let mut tables = Vec::new();
    for (name, schema) in properties {
        let key = key(&format!("{prefix}{name}"), schema, is_required(name), condition);
        match has_keys(without_null(schema)) {
            true => tables.push(key),
            false => keys.push(key),
        }
    }
    for key in tables {
        let schema = without_null(&key.schema).clone();
        let path = key.path.clone();
        keys.push(key);
        add_below(keys, &path, &schema);
    }
}

/// Adds the keys below a table, a list of tables, or a choice with settings.
fn add_below(keys: &mut Vec<Key>, path: &str, schema: &Value) {
    add_properties(keys, &format!("{path}."), schema, None);
    add_properties(keys, &format!("{path}[]."), &schema["items"], None);
    for variant in variants(schema) {
        match tag(variant) {
            Some((name, value)) => {
                let condition = format!("{name} = {}", toml(value));
                let mut settings = variant.clone();
                settings["properties"].as_object_mut().expect("a tagged variant has properties").remove(name);
                if let Some(required) = settings["required"].as_array_mut() {
                    required.retain(|other| other != name);
                }
                if !keys.iter().any(|key| key.path == format!("{path}.{name}")) {
                    keys.push(tag_key(path, name, schema));
                }
                add_properties(keys, &format!("{path}."), &settings, Some(&condition));
            }
            None => add_variant(keys, path, variant),
        }
    }
}

/// Adds the setting of a choice such as `{ knots = 26 }`; not required, as it is one of several.
fn add_variant(keys: &mut Vec<Key>, path: &str, variant: &Value) {
    let mut settings = variant.clone();
    if let Some(object) = settings.as_object_mut() {
        object.remove("required");
        let about = variant["description"].clone();
        for property in object.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
            // The meaning of a choice is told at the choice; serde's variants have no text of their own.
            if let (Some(inner), false) = (property.1.as_object_mut(), about.is_null()) {
                inner.insert("description".to_owned(), about.clone());
            }
        }
    }
    let before = keys.len();
    add_properties(keys, &format!("{path}."), &settings, None);
    keys[before..]
        .iter_mut()
        .filter(|key| parent(&key.path) == Some(path))
        .for_each(|key| key.is_choice = true);
}

/// The key that chooses between tagged variants, such as `kind`.
fn tag_key(path: &str, name: &str, schema: &Value) -> Key {
    let choices = variants(schema).iter().filter_map(|variant| {
        let (_, value) = tag(variant)?;
        Some((toml(value), text_of(variant, "description")))
    });
    Key {
        path: format!("{path}.{name}"),
        about: "Chooses the settings beside it.".to_owned(),
        takes: "one of".to_owned(),
        choices: choices.collect(),
        default: None,
        is_required: true,
        condition: None,
        is_choice: false,
        is_table: false,
        schema: Value::Null,
    }
}

fn key(path: &str, schema: &Value, is_required: bool, condition: Option<&str>) -> Key {
    let inner = without_null(schema);
    let default = schema.get("default").filter(|value| !value.is_null());
    Key {
        path: path.to_owned(),
        about: text_of(schema, "description"),
        takes: takes(inner),
        choices: choices(inner),
        default: default.map(toml),
        is_required,
        condition: condition.map(str::to_owned),
        is_choice: false,
        is_table: inner["properties"].is_object() || inner["items"]["properties"].is_object(),
        schema: schema.clone(),
    }
}

/// Whether other keys lie below.
fn has_keys(schema: &Value) -> bool {
    let is_table = |schema: &Value| schema["properties"].is_object();
    is_table(schema) || is_table(&schema["items"]) || variants(schema).iter().any(is_table)
}

/// The schema of an optional value without `null`.
pub fn without_null(schema: &Value) -> &Value {
    let options = schema["anyOf"].as_array().map(Vec::as_slice).unwrap_or_default();
    match options {
        [inner, null] if null["type"] == "null" => inner,
        _ => schema,
    }
}

/// The alternatives of an enum.
fn variants(schema: &Value) -> &[Value] {
    let of = |word: &str| schema[word].as_array().map(Vec::as_slice);
    of("oneOf").or_else(|| of("anyOf")).unwrap_or_default()
}

/// The key and value that mark a tagged variant.
fn tag(variant: &Value) -> Option<(&str, &Value)> {
    let properties = variant["properties"].as_object()?;
    properties.iter().find_map(|(name, schema)| Some((name.as_str(), schema.get("const")?)))
}

/// Values to choose from, with their meaning.
fn choices(schema: &Value) -> Vec<(String, String)> {
    let listed = if schema["items"].is_object() { &schema["items"] } else { schema };
    let choice = |variant: &Value| {
        let about = text_of(variant, "description");
        if let Some(value) = variant.get("const") {
            return Some((toml(value), about));
        }
        if let Some((name, value)) = tag(variant) {
            return Some((format!("{name} = {}", toml(value)), about));
        }
        let (name, inner) = variant["properties"].as_object()?.iter().next()?;
        Some((format!("{{ {name} = {} }}", placeholder(inner)), about))
    };
    variants(listed).iter().filter_map(choice).collect()
}

/// What stands for a value in `{ name = ... }`.
fn placeholder(schema: &Value) -> String {
    match schema["properties"].as_object() {
        Some(_) => "{ ... }".to_owned(),
        None => takes(schema),
    }
}

/// Type and range in words.
fn takes(schema: &Value) -> String {
    let schema = without_null(schema);
    if let Some(value) = schema.get("const") {
        return toml(value);
    }
    if !variants(schema).is_empty() {
        let are_named = choices(schema).len() == variants(schema).len();
        let words: Vec<String> = variants(schema).iter().map(in_words).collect();
        return if are_named { "one of".to_owned() } else { words.join(", or ") };
    }
    let word = match &schema["type"] {
        Value::Array(types) => types.first().and_then(Value::as_str),
        word => word.as_str(),
    };
    match word {
        Some("integer") => with_range("whole number", schema),
        Some("number") => with_range("number", schema),
        Some("boolean") => "true or false".to_owned(),
        Some("string") => "text".to_owned(),
        Some("array") => match &schema["items"] {
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(takes).collect();
                format!("[{}]", items.join(", "))
            }
            items if items["properties"].is_object() => "list of tables".to_owned(),
            items if schema["maxItems"].is_u64() && schema["maxItems"] == schema["minItems"] => {
                format!("{} times {}", schema["maxItems"], takes(items))
            }
            items if variants(items).is_empty() => {
                format!("list of {}", takes(items).replace("text", "texts").replace("number", "numbers"))
            }
            _ => "list of".to_owned(),
        },
        Some("object") => match &schema["additionalProperties"] {
            values @ Value::Object(_) => format!("table of {}", takes(values)),
            _ => "table".to_owned(),
        },
        _ => "text, number or boolean".to_owned(),
    }
}

/// [`takes`] with the choices themselves.
fn in_words(schema: &Value) -> String {
    let choices: Vec<String> = choices(schema).into_iter().map(|(value, _)| value).collect();
    if choices.is_empty() || schema["items"].is_object() { takes(schema) } else { choices.join(", ") }
}

/// A number with its range in words.
fn with_range(word: &str, schema: &Value) -> String {
    let bound = |key: &str| schema[key].as_f64();
    let low = match (bound("minimum"), bound("exclusiveMinimum")) {
        (Some(low), _) => Some((low, false)),
        (None, low) => low.map(|low| (low, true)),
    };
    let high = match (bound("maximum"), bound("exclusiveMaximum")) {
        (Some(high), _) => Some((high, false)),
        (None, high) => high.map(|high| (high, true)),
    };
    let range = match (low, high) {
        (Some((low, false)), Some((high, false))) => format!("{low} to {high}"),
        (Some((low, is_open)), high) => {
            let low = if is_open { format!("above {low}") } else { format!("at least {low}") };
            match high {
                Some((high, true)) => format!("{low}, below {high}"),
                Some((high, false)) => format!("{low}, at most {high}"),
                None => low,
            }
        }
        (None, Some((high, true))) => format!("below {high}"),
        (None, Some((high, false))) => format!("at most {high}"),
        (None, None) => String::new(),
    };
    let range = range.replace("at least 0, ", "from 0, ");
    let multiple = bound("multipleOf").map(|n| format!(", a multiple of {n}")).unwrap_or_default();
    format!("{word} {range}{multiple}").trim_end().to_owned()
}

fn text_of(schema: &Value, key: &str) -> String {
    schema[key].as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A JSON value as TOML in one line.
fn toml(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Value::Object(table) => inline_table(table),
        Value::Number(number) if number.is_f64() => {
            toml::Value::Float(number.as_f64().unwrap_or_default()).to_string()
        }
        other => other.to_string(),
    }
}

fn inline_table(table: &Map<String, Value>) -> String {
    let items: Vec<String> = table.iter().map(|(key, value)| format!("{key} = {}", toml(value))).collect();
    format!("{{ {} }}", items.join(", "))
}
