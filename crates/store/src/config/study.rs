//! A study: stages that need one another, each one `porecast` command or one for every value of its axes.

use std::collections::{BTreeMap, HashSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Checks, Problem, Validate, plain_name};

/// A graph of stages, run one after the other by `porecast study` or as Slurm jobs by `porecast slurm`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StudyConfig {
    /// Name of the study, which may contain `{values}`; records, job scripts and logs are in `runs/<name>/jobs`.
    pub name: String,
    /// Words of the commands: `{size}` stands for the text or number `size`, `{common.set}` for the list `common` of
    /// settings `key=value`, each after `--set`. `{name}` is the name of the study.
    #[serde(default)]
    pub values: BTreeMap<String, Value>,
    /// What stages are repeated over: a list of names, or a number n for 0 to n - 1. A name may be
    /// `{ name = "...", set = ["key=value"] }` with settings, which `{axis.set}` stands for; `{axis.count}` is the length.
    #[serde(default)]
    pub axes: BTreeMap<String, Axis>,
    /// What every job asks Slurm for; a stage can differ.
    #[serde(default)]
    pub slurm: Resources,
    /// The stages; each comes after those that it needs.
    #[serde(rename = "stage")]
    #[schemars(length(min = 1))]
    pub stages: Vec<Stage>,
}

/// What a name in a command stands for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Value {
    /// A whole number.
    Whole(i64),
    /// A number.
    Real(f64),
    /// A text.
    Text(String),
    /// Settings, each `key=value`.
    Settings(Vec<String>),
}

/// What a stage is repeated over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Axis {
    /// The numbers below this one.
    Count(usize),
    /// The listed values.
    Values(Vec<AxisValue>),
}

/// A value of an axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum AxisValue {
    /// A whole number.
    Whole(i64),
    /// A number.
    Real(f64),
    /// A name.
    Text(String),
    /// A name with settings.
    Variant(Variant),
}

/// A value of an axis with settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Its name.
    pub name: String,
    /// Its settings, each `key=value`.
    #[serde(default)]
    pub set: Vec<String>,
}

/// A stage of a study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// Earlier stages that must be finished. Of a stage with the same axis, only the jobs of the same value.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Axes that it is repeated over; without any, it is one job.
    #[serde(default)]
    pub each: Vec<String>,
    /// The command behind `porecast`, in words as a shell reads them. It must be one that may run again after it was stopped
    /// (`train --resume`, `compare --force`). A word with an axis that is not in `each` is repeated for all its values.
    pub command: String,
    /// What its jobs ask Slurm for, where it differs from the study.
    #[serde(default)]
    pub slurm: Resources,
}

/// What a job asks Slurm for; see `man sbatch`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Resources {
    /// Partition (`--partition`).
    pub partition: Option<String>,
    /// Account (`--account`).
    pub account: Option<String>,
    /// Longest time of a job, such as `04:00:00` (`--time`). What is not finished then is queued again.
    pub time: Option<String>,
    /// Seconds before that time at which the program saves its state and stops; 120 if not set.
    #[schemars(range(min = 1))]
    pub notice_seconds: Option<u32>,
    /// Processors of a process (`--cpus-per-task`).
    #[schemars(range(min = 1))]
    pub cpus: Option<u32>,
    /// Processes that train one network together (`--ntasks`), started by `srun`, in stages of `train`; needs a build with the
    /// feature `mpi`. The result does not depend on it.
    #[schemars(range(min = 1))]
    pub ranks: Option<u32>,
    /// Memory, such as `16G` (`--mem`).
    pub memory: Option<String>,
    /// Graphics processors (`--gres=gpu:N`); the command needs `--device cuda`.
    pub gpus: Option<u32>,
    /// More lines for `#SBATCH`, such as `--constraint=a100`.
    pub options: Option<Vec<String>>,
    /// Lines of shell before the program starts, such as `module load hdf5`.
    pub setup: Option<Vec<String>>,
}

impl Resources {
    /// These, and what they leave open from `others`.
    pub fn or(&self, others: &Self) -> Self {
        let (own, others) = (self.clone(), others.clone());
        Self {
            partition: own.partition.or(others.partition),
            account: own.account.or(others.account),
            time: own.time.or(others.time),
            notice_seconds: own.notice_seconds.or(others.notice_seconds),
            cpus: own.cpus.or(others.cpus),
            ranks: own.ranks.or(others.ranks),
            memory: own.memory.or(others.memory),
            gpus: own.gpus.or(others.gpus),
            options: own.options.or(others.options),
            setup: own.setup.or(others.setup),
        }
    }

    fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::default();
        checks.need(self.notice_seconds != Some(0), "notice_seconds", 0, "1, 2, ...");
        checks.need(self.cpus != Some(0), "cpus", 0, "1, 2, ...");
        checks.need(self.ranks != Some(0), "ranks", 0, "1, 2, ...");
        let lines = [&self.options, &self.setup].into_iter().flatten().flatten();
        let words = [&self.partition, &self.account, &self.time, &self.memory].into_iter().flatten();
        for line in lines.chain(words).filter(|line| line.contains('\n')) {
            checks.add(".", format!("{line:?}: expected one line"));
        }
        checks.0
    }
}

impl Axis {
    /// Its values.
    pub fn values(&self) -> Vec<Variant> {
        let named = |name: String| Variant { name, set: Vec::new() };
        match self {
            Self::Count(count) => (0..*count).map(|index| named(index.to_string())).collect(),
            Self::Values(values) => values
                .iter()
                .map(|value| match value {
                    AxisValue::Whole(number) => named(number.to_string()),
                    AxisValue::Real(number) => named(number.to_string()),
                    AxisValue::Text(name) => named(name.clone()),
                    AxisValue::Variant(variant) => variant.clone(),
                })
                .collect(),
        }
    }
}

impl Validate for StudyConfig {
    const KIND: &'static str = super::STUDY;

    fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::default();
        checks.expect(!self.name.is_empty(), "name", "\"\"", "a name");
        checks.expect(!self.stages.is_empty(), "stage", "none", "at least one [[stage]]");
        for name in self.values.keys().chain(self.axes.keys()) {
            let is_word = name.chars().all(|c| c.is_alphanumeric() || "-_".contains(c));
            checks.expect(
                is_word && name != "name",
                name,
                format!("{name:?}"),
                "another name: letters and digits",
            );
        }
        for (name, axis) in &self.axes {
            let place = format!("axes.{name}");
            let values = axis.values();
            let names: HashSet<_> = values.iter().map(|value| &value.name).collect();
            checks.expect(!values.is_empty(), &place, "none", "at least one value");
            checks.expect(names.len() == values.len(), &place, "a name twice", "each name once");
            checks.expect(!self.values.contains_key(name), &place, "is in `values` too", "one meaning");
        }
        for (index, stage) in self.stages.iter().enumerate() {
            let earlier = &self.stages[..index];
            let place = |key: &str| format!("stage[{index}].{key}");
            let mut name = Checks::default();
            plain_name(&mut name, &stage.name);
            checks.0.extend(name.0.into_iter().map(|problem| problem.below(&format!("stage[{index}]"))));
            let is_new = earlier.iter().all(|other| other.name != stage.name);
            checks.expect(is_new, &place("name"), format!("{:?} twice", stage.name), "each name once");
            for need in &stage.needs {
                let is_there = earlier.iter().any(|other| other.name == *need);
                checks.expect(is_there, &place("needs"), format!("{need:?}"), "the name of an earlier stage");
            }
            for axis in &stage.each {
                let is_there = self.axes.contains_key(axis);
                checks.expect(is_there, &place("each"), format!("{axis:?}"), "a key of `axes`");
            }
            let is_split = shlex::split(&stage.command).is_some_and(|words| !words.is_empty());
            checks.expect(
                is_split,
                &place("command"),
                format!("{:?}", stage.command),
                "words; close every quote",
            );
            checks.0.extend(porecast_base::below(&place("slurm"), stage.slurm.problems()));
        }
        checks.0.extend(porecast_base::below("slurm", self.slurm.problems()));
        checks.0
    }
}
