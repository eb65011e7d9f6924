//! The jobs of a study: its stages with every name in their commands replaced, and records of what is finished.
//!
//! ```
//! use porecast_store::config::{self, study::StudyConfig};
//! use porecast_store::study::Plan;
//!
//! let text = "
//!     name = 'seeds'
//!     axes.seed = [1, 2]
//!     [[stage]]
//!     name = 'train'
//!     each = ['seed']
//!     command = 'train my.toml -o runs/{name}/{seed} --resume --set seed={seed}'
//!     [[stage]]
//!     name = 'compare'
//!     needs = ['train']
//!     command = 'compare runs/{name}/{seed} -o runs/{name}/comparison --force'
//! ";
//! let plan = Plan::new(&config::parse::<StudyConfig>("seeds.toml", text, &[])?)?;
//! let commands: Vec<String> = plan.jobs().map(|job| plan.job(job).command()).collect();
//! assert_eq!(commands, [
//!     "train my.toml -o runs/seeds/1 --resume --set seed=1",
//!     "train my.toml -o runs/seeds/2 --resume --set seed=2",
//!     "compare runs/seeds/1 runs/seeds/2 -o runs/seeds/comparison --force",
//! ]);
//! # Ok::<(), porecast_base::Error>(())
//! ```

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use porecast_base::{Error, ErrorKind, Result, atomic, hex};
use sha2::{Digest, Sha256};

use crate::config::study::{Resources, Stage, StudyConfig, Value, Variant};

/// A study with every job spelt out.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Name of the study.
    pub name: String,
    /// Stages in the order of the file.
    pub stages: Vec<PlannedStage>,
}

/// A stage and its jobs.
#[derive(Debug, Clone)]
pub struct PlannedStage {
    /// Name of the stage.
    pub name: String,
    /// Indices of the stages that it needs.
    pub needs: Vec<usize>,
    /// Axes that it is repeated over.
    pub each: Vec<String>,
    /// What its jobs ask Slurm for.
    pub resources: Resources,
    /// Its jobs, the last axis of `each` fastest.
    pub jobs: Vec<Job>,
}

/// One command.
#[derive(Debug, Clone)]
pub struct Job {
    /// Value of each axis of the stage.
    pub point: BTreeMap<String, String>,
    /// The values joined, `job` without any.
    pub label: String,
    /// The words behind `porecast`.
    pub words: Vec<String>,
}

/// Place of a job: its stage and its index there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobIndex {
    /// Index of the stage.
    pub stage: usize,
    /// Index in the stage.
    pub job: usize,
}

impl Plan {
    /// Spells out the jobs of a study.
    ///
    /// # Errors
    /// A command contains a name that the study does not define.
    pub fn new(config: &StudyConfig) -> Result<Self> {
        let mut names = Names { values: BTreeMap::new(), axes: BTreeMap::new() };
        for (key, value) in &config.values {
            names.values.insert(key.clone(), meaning(value));
        }
        names.axes = config.axes.iter().map(|(key, axis)| (key.clone(), axis.values())).collect();
        let name = names.text(&config.name, &BTreeMap::new()).map_err(|what| Error::config("name", what))?;
        names.values.insert("name".to_owned(), Variant { name: name.clone(), set: Vec::new() });
        let mut stages: Vec<PlannedStage> = Vec::new();
        for (index, stage) in config.stages.iter().enumerate() {
            let place = format!("stage[{index}].command");
            let jobs = names.jobs(stage).map_err(|what| Error::config(place, what))?;
            let needs =
                stage.needs.iter().filter_map(|need| stages.iter().position(|other| other.name == *need));
            stages.push(PlannedStage {
                name: stage.name.clone(),
                needs: needs.collect(),
                each: stage.each.clone(),
                resources: stage.slurm.or(&config.slurm),
                jobs,
            });
        }
        Ok(Self { name, stages })
    }

    /// Every job, in an order in which they can run.
    pub fn jobs(&self) -> impl Iterator<Item = JobIndex> {
        let of = |(stage, planned): (usize, &PlannedStage)| {
            (0..planned.jobs.len()).map(move |job| JobIndex { stage, job })
        };
        self.stages.iter().enumerate().flat_map(of)
    }

    /// The job at a place.
    pub fn job(&self, index: JobIndex) -> &Job {
        &self.stages[index.stage].jobs[index.job]
    }

    /// The jobs that must be finished before this one: those of the needed stages with the same values.
    pub fn needs(&self, index: JobIndex) -> Vec<JobIndex> {
        let point = &self.job(index).point;
        let agrees =
            |job: &Job| job.point.iter().all(|(axis, value)| point.get(axis).is_none_or(|own| own == value));
        let needed = |&stage: &usize| {
            let jobs = self.stages[stage].jobs.iter().enumerate();
            jobs.filter(|(_, job)| agrees(job))
                .map(move |(job, _)| JobIndex { stage, job })
                .collect::<Vec<_>>()
        };
        self.stages[index.stage].needs.iter().flat_map(needed).collect()
    }

    /// Folder of records, job scripts and logs.
    pub fn folder(&self) -> PathBuf {
        Path::new("runs").join(&self.name).join("jobs")
    }

    /// Whether a job is finished: it ended without error, its output still exists, and the commands and configuration files of
    /// the job and of all jobs that it needs have not changed since.
    pub fn is_done(&self, index: JobIndex) -> bool {
        let recorded = std::fs::read_to_string(self.record_path(index));
        recorded.is_ok_and(|recorded| recorded == self.digest(index))
            && self.job(index).output().is_none_or(|output| output.exists())
    }

    /// Records that a job is finished.
    ///
    /// # Errors
    /// The record cannot be written.
    pub fn record(&self, index: JobIndex) -> Result<()> {
        atomic::write(&self.record_path(index), self.digest(index).as_bytes())
    }

    /// Refuses a job whose needs are not finished.
    ///
    /// # Errors
    /// The job that is not finished.
    pub fn require_needs(&self, index: JobIndex) -> Result<()> {
        let Some(missing) = self.needs(index).into_iter().find(|&need| !self.is_done(need)) else {
            return Ok(());
        };
        let what = format!("needs {}, which is not finished; run that first", self.title(missing));
        Err(Error::new(ErrorKind::Mismatch, self.title(index), what))
    }

    /// Name of a job in messages: its stage and its values.
    pub fn title(&self, index: JobIndex) -> String {
        let (stage, job) = (&self.stages[index.stage], self.job(index));
        if job.point.is_empty() { stage.name.clone() } else { format!("{} {}", stage.name, job.label) }
    }

    fn record_path(&self, index: JobIndex) -> PathBuf {
        self.folder().join(&self.stages[index.stage].name).join(format!("{}.done", self.job(index).label))
    }

    /// Digest of a job's words, of the configuration files among them, and of the jobs that it needs.
    fn digest(&self, index: JobIndex) -> String {
        let mut hasher = Sha256::new();
        for word in &self.job(index).words {
            hasher.update(word.len().to_le_bytes());
            hasher.update(word);
            if word.ends_with(".toml") {
                hasher.update(std::fs::read(word).unwrap_or_default());
            }
        }
        self.needs(index).into_iter().for_each(|need| hasher.update(self.digest(need)));
        hex(&hasher.finalize())
    }
}

impl Job {
    /// The words as one writes them in a shell.
    pub fn command(&self) -> String {
        self.words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
    }

    /// What `-o` names.
    fn output(&self) -> Option<&Path> {
        let flag = self.words.iter().position(|word| word == "-o" || word == "--output")?;
        self.words.get(flag + 1).map(Path::new)
    }
}

/// A word as a shell takes it.
pub fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+:@%,=".contains(c);
    match shlex::try_quote(word) {
        Ok(quoted) if word.is_empty() || !word.chars().all(is_plain) => quoted.into_owned(),
        _ => word.to_owned(),
    }
}

/// What the names in commands stand for; settings are variants without a name.
struct Names {
    values: BTreeMap<String, Variant>,
    axes: BTreeMap<String, Vec<Variant>>,
}

/// A value of each axis.
type Point = BTreeMap<String, Variant>;

/// A part of a word.
enum Piece<'a> {
    Text(&'a str),
    /// A name in braces, and what of it: nothing, `set` or `count`.
    Name(&'a str, &'a str),
}

fn meaning(value: &Value) -> Variant {
    match value {
        Value::Whole(number) => Variant { name: number.to_string(), set: Vec::new() },
        Value::Real(number) => Variant { name: number.to_string(), set: Vec::new() },
        Value::Text(text) => Variant { name: text.clone(), set: Vec::new() },
        Value::Settings(set) => Variant { name: String::new(), set: set.clone() },
    }
}

/// The pieces of a word. Braces around anything but a name belong to the text: `conditioning={single-frame=[5]}`.
fn pieces(word: &str) -> Vec<Piece<'_>> {
    let is_name =
        |text: &str| !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "-_".contains(c));
    let (mut pieces, mut text) = (Vec::new(), 0);
    for (open, _) in word.match_indices('{') {
        let Some(length) = word[open..].find('}') else { continue };
        let inside = &word[open + 1..open + length];
        let (name, part) = inside.split_once('.').unwrap_or((inside, ""));
        if is_name(name) && ["", "set", "count"].contains(&part) {
            pieces.push(Piece::Text(&word[text..open]));
            pieces.push(Piece::Name(name, part));
            text = open + length + 1;
        }
    }
    pieces.push(Piece::Text(&word[text..]));
    pieces
}

/// Every combination of values of some axes, the last fastest.
fn combinations(axes: &BTreeMap<String, Vec<Variant>>, names: &[&str]) -> Vec<Point> {
    names.iter().fold(vec![Point::new()], |points, name| {
        let with = |point: &Point| {
            let point = point.clone();
            axes[*name].iter().map(move |value| {
                let mut point = point.clone();
                point.insert((*name).to_owned(), value.clone());
                point
            })
        };
        points.iter().flat_map(with).collect()
    })
}

impl Names {
    fn jobs(&self, stage: &Stage) -> std::result::Result<Vec<Job>, String> {
        let words = shlex::split(&stage.command).unwrap_or_default();
        let each: Vec<&str> = stage.each.iter().map(String::as_str).collect();
        let job = |point: Point| {
            let mut expanded = Vec::new();
            for word in &words {
                self.expand(word, &point, &mut expanded)?;
            }
            let values: Vec<&str> = each.iter().map(|axis| point[*axis].name.as_str()).collect();
            let plain = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' };
            let label: String = values.join("-").chars().map(plain).collect();
            Ok(Job {
                label: if each.is_empty() { "job".to_owned() } else { label },
                point: point.into_iter().map(|(axis, value)| (axis, value.name)).collect(),
                words: expanded,
            })
        };
        let jobs = combinations(&self.axes, &each).into_iter().map(job);
        let jobs = jobs.collect::<std::result::Result<Vec<_>, String>>()?;
        let mut labels = HashSet::new();
        match jobs.iter().find(|job| !labels.insert(&job.label)) {
            Some(job) => Err(format!("two jobs would be called {:?}; rename a value of an axis", job.label)),
            None => Ok(jobs),
        }
    }

    /// Appends what a word of a command stands for.
    fn expand(&self, word: &str, point: &Point, words: &mut Vec<String>) -> std::result::Result<(), String> {
        if let [Piece::Text(""), Piece::Name(name, "set"), Piece::Text("")] = pieces(word)[..] {
            let Some(variant) = self.values.get(name).or_else(|| point.get(name)) else {
                return Err(format!("{word} is neither in `values` nor an axis of this stage"));
            };
            for setting in &variant.set {
                words.extend(["--set".to_owned(), self.text(setting, point)?]);
            }
            return Ok(());
        }
        let mut others = Vec::new();
        for piece in pieces(word) {
            if let Piece::Name(name, "") = piece
                && self.axes.contains_key(name)
                && !point.contains_key(name)
                && !others.contains(&name)
            {
                others.push(name);
            }
        }
        for other in combinations(&self.axes, &others) {
            let both = point.clone().into_iter().chain(other).collect();
            words.push(self.text(word, &both)?);
        }
        Ok(())
    }

    /// The text with its names replaced.
    fn text(&self, text: &str, point: &Point) -> std::result::Result<String, String> {
        let mut replaced = String::new();
        for piece in pieces(text) {
            match piece {
                Piece::Text(text) => replaced += text,
                Piece::Name(name, "set") => return Err(format!("{{{name}.set}} must be a word of its own")),
                Piece::Name(name, "count") => match self.axes.get(name) {
                    Some(values) => replaced += &values.len().to_string(),
                    None => return Err(format!("there is no axis {name:?}")),
                },
                Piece::Name(name, _) => match self.values.get(name).or_else(|| point.get(name)) {
                    Some(value) if value.name.is_empty() && !value.set.is_empty() => {
                        return Err(format!("{name} holds settings; write {{{name}.set}}"));
                    }
                    Some(value) => replaced += &value.name,
                    None => return Err(format!("{{{name}}} is neither in `values` nor in `axes`")),
                },
            }
        }
        Ok(replaced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn plan(text: &str, sets: &[&str]) -> Result<Plan> {
        let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
        Plan::new(&config::parse("study.toml", text, &sets)?)
    }

    const VARIANTS: &str = r#"
        name = "study-{size}"
        values.size = 64
        values.common = ["dataset='data/{size}.h5'"]
        axes.variant = ["plain", { name = "frames", set = ["conditioning={single-frame=[5,15]}", "name='{variant}'"] }]
        axes.seed = 2
        [[stage]]
        name = "simulate"
        command = "simulate a.toml -o data/{size}.h5"
        [[stage]]
        name = "train"
        needs = ["simulate"]
        each = ["variant", "seed"]
        command = "train b.toml -o 'runs/{name}/{variant}-{seed}' {common.set} {variant.set} --set seed={seed}"
        [[stage]]
        name = "score"
        needs = ["train"]
        each = ["variant"]
        command = "compare runs/{name}/{variant}-{seed} -o out/{seed.count}/{variant}"
    "#;

    #[test]
    fn names_are_replaced_and_axes_repeat_jobs_or_words() {
        let plan = plan(VARIANTS, &[]).unwrap();
        let commands: Vec<String> = plan.jobs().map(|index| plan.job(index).command()).collect();
        assert_eq!(plan.name, "study-64");
        assert_eq!(commands.len(), 1 + 4 + 2);
        assert_eq!(
            commands[1],
            "train b.toml -o runs/study-64/plain-0 --set \"dataset='data/64.h5'\" --set seed=0"
        );
        let frames = &plan.stages[1].jobs[3];
        assert_eq!(frames.label, "frames-1");
        assert_eq!(
            frames.words[4..],
            [
                "--set",
                "dataset='data/64.h5'",
                "--set",
                "conditioning={single-frame=[5,15]}",
                "--set",
                "name='frames'",
                "--set",
                "seed=1"
            ]
        );
        assert_eq!(commands[5], "compare runs/study-64/plain-0 runs/study-64/plain-1 -o out/2/plain");
        let needs = plan.needs(JobIndex { stage: 2, job: 1 });
        assert_eq!(needs, [2, 3].map(|job| JobIndex { stage: 1, job }));
    }

    #[test]
    fn an_unknown_name_is_refused_with_its_place() {
        let wrong = |from: &str, to: &str| plan(&VARIANTS.replace(from, to), &[]).unwrap_err().to_string();
        assert!(
            wrong("data/{size}.h5\"\n", "data/{sise}.h5\"\n")
                .starts_with("stage[0].command: {sise} is neither")
        );
        assert!(wrong("{common.set}", "{common}").contains("write {common.set}"));
        assert!(wrong("{common.set}", "x{common.set}").contains("a word of its own"));
        assert!(wrong("{seed.count}", "{size.count}").contains("no axis"));
        assert!(wrong("needs = [\"train\"]", "needs = [\"later\"]").contains("stage[2].needs"));
        assert!(wrong("each = [\"variant\"]", "each = [\"x\"]").contains("stage[2].each"));
        assert!(wrong("-o 'runs", "-o \\\"runs").contains("close every quote"));
        assert!(wrong("\"plain\"", "\"frames\"").contains("a name twice"));
        assert!(
            wrong("axes.seed = 2", "axes.seed = ['a b', 'a_b']")
                .contains("two jobs would be called \"plain-a_b\"")
        );
    }

    #[test]
    fn a_job_is_redone_when_its_command_or_what_it_needs_has_changed() {
        let mut text =
            VARIANTS.replace(" -o 'runs/{name}/{variant}-{seed}'", "").replace(" -o data/{size}.h5", "");
        text = text.replace(" -o out/{seed.count}/{variant}", "");
        let folder = tempfile::tempdir().unwrap();
        let name = format!("name={}", folder.path().join("study").display());
        let first = plan(&text, &[&name]).unwrap();
        for index in first.jobs() {
            assert!(!first.is_done(index));
            first.require_needs(index).unwrap();
            first.record(index).unwrap();
        }
        assert!(first.jobs().all(|index| first.is_done(index)));
        let undone = |sets: &[&str]| {
            let plan = plan(&text, sets).unwrap();
            plan.jobs()
                .filter(|&index| !plan.is_done(index))
                .map(|index| plan.title(index))
                .collect::<Vec<_>>()
        };
        let changed = "axes.variant=['plain', { name = 'frames', set = ['x=1'] }]";
        assert_eq!(undone(&[&name, changed]), ["train frames-0", "train frames-1", "score frames"]);
        assert_eq!(undone(&[&name, "stage.0.command='simulate other.toml'"]).len(), 7);
        let more = plan(&text, &[&name, "axes.seed=3"]).unwrap();
        let refused = more.require_needs(JobIndex { stage: 2, job: 0 }).unwrap_err();
        assert!(refused.to_string().contains("needs train plain-2, which is not finished"), "{refused}");
    }
}
