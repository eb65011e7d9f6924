//! The reference of the configuration agrees with its validation, its page and its starting configurations.

use std::path::{Path, PathBuf};

use porecast_store::config::reference::{Key, explain, keys, page, without_null};
use porecast_store::config::schema::ConfigKind;
use porecast_store::config::search::SearchConfig;
use porecast_store::config::segmentation::SegmentationConfig;
use porecast_store::config::simulate::SimulateConfig;
use porecast_store::config::start::Start;
use porecast_store::config::study::StudyConfig;
use porecast_store::config::train::TrainConfig;
use porecast_store::config::{Validate, parse};
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Configurations that together have every key.
fn bases(kind: ConfigKind) -> Vec<String> {
    let read = |name: &str| std::fs::read_to_string(root().join("configs").join(name)).expect("a file");
    let generator = |kind: &str| {
        format!(
            "domains = 2\nheight = 64\nwidth = 64\nvoxel_size_m = 1e-5\nfluids = {{}}\npercolation.until = {{ \
             pore_volumes = 1.0 }}\ndomain = [{{ generator = {{ kind = '{kind}' }} }}]"
        )
    };
    let search = |values: &str| {
        format!(
            "name = 's'\ntraining = 't.toml'\ntrials = 2\nparameter = [{{ key = 'k', values = {values} }}]"
        )
    };
    match kind {
        ConfigKind::Invasion => {
            let small = "name = 'a'\ndataset = 'd.h5'\n";
            vec![
                read("invasion/demo.toml"),
                format!(
                    "{small}loss.mse = 1.0\nhead = 'regression'\nconditioning = {{ sequence = {{ knots = 9 }} }}"
                ),
                format!(
                    "{small}loss.mse = 1.0\nconditioning = {{ recurrent = {{ knots = 9, channels = 8 }} }}"
                ),
                format!(
                    "{small}loss.mse = 1.0\n[model.unet]\nresidual = true\nlevels = 7\nbase_channels = 4\nattention = {{ \
                     enabled = true }}\nglobal = {{ enabled = true }}"
                ),
            ]
        }
        ConfigKind::Segmentation => {
            let files = ["mars", "right_ventricle", "sea_ice", "stas"];
            let mut all: Vec<String> = files.map(|name| read(&format!("segmentation/{name}.toml"))).to_vec();
            let small = "task = 'segmentation'\nname = 'a'\ndataset = 'd.h5'\nclasses = ['a', 'b']\nloss.dice = 1.0\n\
                         source = { path = 'i', format = { labelme = {} } }\n";
            all.push(format!(
                "{small}split.method = {{ hold-out = {{ validation = 0.1, test = 0.0 }} }}\nmodel.unet = {{ residual = \
                 true, levels = 7, base_channels = 4, attention.enabled = true, global.enabled = true }}"
            ));
            all.push(format!(
                "{small}split.method = 'leave-one-group-out'\naugment.outside = {{ fill = {{ value = 0.0, class = 0 }} }}"
            ));
            all.push(format!("{small}split.method = {{ folds = {{ count = 2, test = 0.0 }} }}"));
            all
        }
        ConfigKind::Simulate => {
            let mut all = ["disc-pack", "jittered-lattice", "random-field"].map(generator).to_vec();
            let lattice =
                "\nsimulator = 'lattice-boltzmann'\nlattice_boltzmann = { until = { pore_volumes = 1.0 } }";
            all.push(generator("disc-pack") + lattice);
            all.push(read("simulate/image-crops.toml"));
            all
        }
        ConfigKind::Search => vec![
            search("{ real = { low = 1.0, high = 2.0 } }"),
            search("{ whole = { low = 1, high = 2 } }"),
            read("search/sea-ice.toml"),
        ],
        ConfigKind::Study => vec![read("studies/study-1.toml")],
    }
}

/// The problems of a configuration with a change, as validation reports them.
fn problems(kind: ConfigKind, text: &str, set: String) -> String {
    fn of<T: serde::de::DeserializeOwned + serde::Serialize + Validate>(text: &str, set: String) -> String {
        parse::<T>("", text, &[set]).err().map(|e| e.to_string()).unwrap_or_default()
    }
    match kind {
        ConfigKind::Invasion => of::<TrainConfig>(text, set),
        ConfigKind::Segmentation => of::<SegmentationConfig>(text, set),
        ConfigKind::Simulate => of::<SimulateConfig>(text, set),
        ConfigKind::Search => of::<SearchConfig>(text, set),
        ConfigKind::Study => of::<StudyConfig>(text, set),
    }
}

/// What validation says about a value of a key in each configuration that has the key; `None` if it accepts it.
fn verdicts(kind: ConfigKind, key: &Key, value: &str) -> Vec<Option<String>> {
    let set = format!("{}={value}", key.path.replace("[]", ".0"));
    let named = key.path.replace("[]", "[0]");
    let verdict = |base: &String| {
        let text = problems(kind, base, set.clone());
        let has_key =
            !text.contains("no such key") && !text.contains("is missing") && !text.contains("--set");
        let own = text.lines().find(|line| {
            let at = line.find(named.as_str()).map(|start| &line[start + named.len()..]);
            at.is_some_and(|rest| rest.starts_with([':', '[', '.']))
        });
        // A choice that takes other settings, such as another kind of generator.
        let fits = !text.contains("invalid length") && !text.contains("unknown variant");
        // serde names the table, not the key, where a tag chooses the settings.
        let of_type = text.lines().find(|line| line.contains("invalid value"));
        (has_key && fits).then(|| own.or(of_type).map(str::to_owned))
    };
    bases(kind).iter().filter_map(verdict).collect()
}

/// The schema of a number, or of the numbers in a list, and how a value of the key is written.
fn number(key: &Key) -> Option<(Value, impl Fn(f64) -> String)> {
    let schema = without_null(&key.schema);
    let is_number = |schema: &Value| {
        let kind = if schema["type"].is_array() { &schema["type"][0] } else { &schema["type"] };
        kind == "number" || kind == "integer"
    };
    let (inner, count) = match is_number(schema) {
        true => (schema, None),
        false if is_number(&schema["items"]) => {
            (&schema["items"], Some(schema["minItems"].as_u64().unwrap_or(1).max(1)))
        }
        false => return None,
    };
    let kind = if inner["type"].is_array() { &inner["type"][0] } else { &inner["type"] };
    let is_whole = kind == "integer";
    let write = move |value: f64| {
        let one = if is_whole { format!("{value:.0}") } else { format!("{value:?}") };
        count.map_or(one.clone(), |count| format!("[{}]", vec![one; count as usize].join(", ")))
    };
    Some((inner.clone(), write))
}

#[test]
fn a_value_outside_the_range_in_the_reference_is_refused() {
    let (mut checked, mut wrong) = (0, Vec::new());
    for kind in ConfigKind::ALL {
        for key in keys(kind) {
            let Some((schema, write)) = number(&key) else { continue };
            let bound = |name: &str| schema[name].as_f64();
            let beyond = [
                bound("minimum").map(|low| low - 1.0),
                bound("exclusiveMinimum"),
                bound("maximum").map(|high| high + 1.0),
                bound("exclusiveMaximum"),
            ];
            for value in beyond.into_iter().flatten().map(&write) {
                let verdicts = verdicts(kind, &key, &value);
                let is_refused = verdicts.iter().any(Option::is_some);
                if !is_refused {
                    wrong.push(format!("{} of {kind:?} takes {value}: {verdicts:?}", key.path));
                }
                checked += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked > 150, "{checked}");
}

#[test]
fn a_value_within_the_range_in_the_reference_is_accepted() {
    // What they take also depends on other keys.
    const DEPENDENT: [&str; 10] = [
        "grain_radius_std",
        "class",
        "porosity",
        "deep_supervision",
        "frames_per_domain",
        "page",
        "excluded",
        "levels",
        "given",
        "high",
    ];
    let mut wrong = Vec::new();
    for kind in ConfigKind::ALL {
        for key in keys(kind) {
            let Some((schema, write)) = number(&key) else { continue };
            let name = key.path.rsplit('.').next().expect("a name");
            if DEPENDENT.contains(&name) {
                continue;
            }
            let bound = |name: &str| schema[name].as_f64();
            let has_low = bound("minimum").or(bound("exclusiveMinimum")).is_some();
            let has_high = bound("maximum").or(bound("exclusiveMaximum")).is_some();
            let within = [
                bound("minimum"),
                (!has_low).then_some(-1e12),
                bound("maximum"),
                (!has_high).then_some(1_048_576.0),
            ];
            for value in within.into_iter().flatten().map(&write) {
                let verdicts = verdicts(kind, &key, &value);
                let is_accepted = verdicts.iter().any(Option::is_none);
                if !is_accepted {
                    wrong.push(format!("{} of {kind:?} refuses {value}: {verdicts:?}", key.path));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_key_says_what_it_does() {
    for kind in ConfigKind::ALL {
        for key in keys(kind) {
            let is_told = |text: &str| text.len() >= 4 && !text.contains("[`");
            assert!(is_told(&key.about), "{}: {:?}", key.path, key.about);
            for (value, about) in &key.choices {
                assert!(is_told(about), "{} = {value}: {about:?}", key.path);
            }
        }
    }
}

#[test]
fn the_page_of_the_reference_is_what_the_program_writes() {
    let path = root().join("docs/reference/configuration.md");
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page(),
        "docs/reference/configuration.md is out of date; renew it with\n  \
         target/release/porecast config reference > docs/reference/configuration.md"
    );
}

#[test]
fn a_key_is_explained_by_its_path_and_by_its_end() {
    let whole = explain("model.time.mode").unwrap();
    assert_eq!(explain("time.mode").unwrap(), whole);
    for wanted in
        ["one of", "\"scale-and-shift\"", "default  \"scale-and-shift\"", "invasion", "segmentation"]
    {
        assert!(whole.contains(wanted), "{whole}\ndoes not say {wanted}");
    }
    assert_eq!(explain("domain[3].weight").unwrap(), explain("domain.0.weight").unwrap());
    let error = explain("training.epoch").unwrap_err().to_string();
    assert!(error.contains("the nearest are training.epochs"), "{error}");
}

#[test]
fn a_starting_configuration_holds_every_default_as_a_comment() {
    fn read<T: serde::de::DeserializeOwned + serde::Serialize + Validate>(text: &str) -> T {
        parse("start", text, &[]).expect("valid")
    }
    for start in Start::ALL {
        let text = start.text().expect("a text");
        let all: String = text
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        assert_ne!(all, text);
        match start.kind() {
            ConfigKind::Invasion => assert_eq!(read::<TrainConfig>(&text), read(&all)),
            ConfigKind::Segmentation => assert_eq!(read::<SegmentationConfig>(&text), read(&all)),
            ConfigKind::Simulate => assert_eq!(read::<SimulateConfig>(&text), read(&all)),
            ConfigKind::Search => assert_eq!(read::<SearchConfig>(&text), read(&all)),
            ConfigKind::Study => assert_eq!(read::<StudyConfig>(&text), read(&all)),
        }
    }
}
