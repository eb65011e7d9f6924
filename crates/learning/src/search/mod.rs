//! Search for good settings: a tree-structured Parzen estimator proposes trials, and a journal that
//! several processes can share records them.

mod command;
mod parzen;

use std::path::Path;

use serde_json::Value;

pub use command::{SearchOptions, run};

use porecast_base::Result;
use porecast_base::seed;
use porecast_store::config::search::{Parameter, SearchConfig};
use porecast_store::config::search_space;
use porecast_store::journal::{self, Basis, Claim, Journal, Outcome, Point, Record};

/// A search for good settings.
///
/// ```
/// use porecast_learning::search::Study;
/// use porecast_store::config::search::{Parameter, Scale, SearchConfig, Values};
/// use porecast_store::journal::Outcome;
///
/// let config = SearchConfig {
///     name: "parabola".into(),
///     training: "training.toml".into(),
///     seed: 0,
///     trials: 40,
///     startup: 10,
///     parameters: vec![Parameter {
///         key: "x".into(),
///         values: Values::Real { low: -4.0, high: 4.0, scale: Scale::Linear },
///     }],
/// };
/// let folder = tempfile::tempdir()?;
/// let study = Study::open(&folder.path().join("journal.jsonl"), config)?;
/// while let Some(trial) = study.next_trial()? {
///     let x = trial.point()["x"].as_f64().expect("a number");
///     trial.end(Outcome::Value((x - 1.0).powi(2)))?;
/// }
/// let (best, _) = study.best()?.expect("a trial has ended");
/// assert!((best.point["x"].as_f64().expect("a number") - 1.0).abs() < 0.5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Study {
    config: SearchConfig,
    journal: Journal,
}

/// A trial that this process works on. If it is dropped, or its process ends, before
/// [`end`](Self::end), it becomes free for any process.
#[derive(Debug)]
pub struct Trial<'a> {
    study: &'a Study,
    claim: Claim,
}

impl Study {
    /// Opens a study, or begins it if there is no journal yet.
    ///
    /// # Errors
    /// The journal cannot be read or written, or belongs to a study with other parameters.
    pub fn open(journal: &Path, config: SearchConfig) -> Result<Self> {
        let journal = Journal::open(journal, &config)?;
        Ok(Self { config, journal })
    }

    /// See [`Journal::require_basis`].
    ///
    /// # Errors
    /// Trials of this study cannot be compared with trials that start from `basis`; the journal cannot be read or
    /// written.
    pub fn require_basis(&self, basis: &Basis) -> Result<()> {
        self.journal.require_basis(basis)
    }

    /// The next trial for this process: an unfinished one that no process works on, or a new one.
    /// `None` if all trials have begun and none is free.
    ///
    /// # Errors
    /// The journal cannot be read or written.
    pub fn next_trial(&self) -> Result<Option<Trial<'_>>> {
        let propose = |records: &[Record]| self.propose(records);
        let claim = self.journal.claim(self.config.trials, propose)?;
        Ok(claim.map(|claim| Trial { study: self, claim }))
    }

    /// Every trial that has begun, in the order of their numbers.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn trials(&self) -> Result<Vec<Record>> {
        self.journal.records()
    }

    /// The trial with the lowest value and that value.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn best(&self) -> Result<Option<(Record, f64)>> {
        let trials = self.trials()?;
        Ok(journal::best(&trials).map(|(record, value)| (record.clone(), value)))
    }

    /// The point of a new trial, determined by the seed and the trials before it.
    fn propose(&self, records: &[Record]) -> Point {
        let mut generator = seed::generator(self.config.seed, "trial", records.len() as u64);
        let halves = parzen::Halves::of(records, self.config.startup);
        let draw = |Parameter { key, values }: &Parameter| {
            let value = match &halves {
                None => search_space::draw(values, &mut generator),
                Some(halves) => parzen::draw(key, values, halves, &mut generator),
            };
            (key.clone(), value)
        };
        self.config.parameters.iter().map(draw).collect()
    }
}

impl Trial<'_> {
    /// Number of the trial, from 0.
    pub fn number(&self) -> usize {
        self.claim.number
    }

    /// Whether it was begun before and left unfinished, possibly by this process.
    pub fn is_taken_up(&self) -> bool {
        self.claim.is_taken_up
    }

    /// Value of each parameter, by its key.
    pub fn point(&self) -> &Point {
        &self.claim.point
    }

    /// The point as changes to the training configuration, in the form that
    /// [`config::load`](porecast_store::config::load) takes.
    pub fn sets(&self) -> Vec<String> {
        let set = |(key, value): (&String, &Value)| format!("{key}={value}");
        self.claim.point.iter().map(set).collect()
    }

    /// Records the outcome; a value that is not finite counts as a failure.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn end(self, outcome: Outcome) -> Result<()> {
        let outcome = match outcome {
            Outcome::Value(value) if !value.is_finite() => Outcome::Failed(format!("its value is {value}")),
            outcome => outcome,
        };
        self.study.journal.end(self.claim, outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use porecast_store::config::search::{Scale, Values};

    fn config(trials: usize) -> SearchConfig {
        let real = |key: &str, low, high, scale| Parameter {
            key: key.into(),
            values: Values::Real { low, high, scale },
        };
        SearchConfig {
            name: "test".into(),
            training: "training.toml".into(),
            seed: 1,
            trials,
            startup: 10,
            parameters: vec![
                real("rate", 1e-6, 1.0, Scale::Log),
                real("dropout", 0.0, 0.9, Scale::Linear),
                Parameter { key: "levels".into(), values: Values::Whole { low: 1, high: 7 } },
                Parameter {
                    key: "encoder".into(),
                    values: Values::Choice(["a", "b", "c", "d"].map(Value::from).to_vec()),
                },
            ],
        }
    }

    /// Best at rate 1e-3, dropout 0.2, five levels, encoder c.
    fn loss(point: &Point) -> f64 {
        let number = |key: &str| point[key].as_f64().expect("a number");
        let encoder = if point["encoder"] == "c" { 0.0 } else { 1.0 };
        (number("rate").log10() + 3.0).powi(2)
            + 10.0 * (number("dropout") - 0.2).powi(2)
            + 0.2 * (number("levels") - 5.0).powi(2)
            + encoder
    }

    fn run(study: &Study) {
        while let Some(trial) = study.next_trial().expect("a journal") {
            let value = loss(trial.point());
            trial.end(Outcome::Value(value)).expect("a journal");
        }
    }

    fn best(study: &Study) -> f64 {
        study.best().expect("a journal").expect("a trial").1
    }

    #[test]
    fn the_estimator_finds_better_points_than_chance() {
        let mut won = 0;
        for seed in 0..10 {
            let folder = tempfile::tempdir().expect("a folder");
            let search = |name: &str, startup| {
                let config = SearchConfig { seed, startup, ..config(50) };
                let study = Study::open(&folder.path().join(name), config).expect("a journal");
                run(&study);
                best(&study)
            };
            won += usize::from(search("estimated", 10) < search("random", 50));
        }
        assert!(won >= 8, "better in {won} of 10 studies");
    }

    #[test]
    fn a_study_that_is_interrupted_proposes_the_same_as_one_that_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let points = |name: &str, pauses: usize| {
            let path = folder.path().join(name);
            for part in 1..=pauses {
                let study = Study::open(&path, config(30 * part / pauses)).expect("a journal");
                run(&study);
            }
            let study = Study::open(&path, config(30)).expect("a journal");
            study.trials().expect("a journal").into_iter().map(|record| record.point).collect::<Vec<_>>()
        };
        assert_eq!(points("whole", 1), points("paused", 3));
    }

    #[test]
    fn a_trial_left_unfinished_is_taken_up() {
        let folder = tempfile::tempdir().expect("a folder");
        let study = Study::open(&folder.path().join("journal"), config(3)).expect("a journal");
        let next = || study.next_trial().expect("a journal").expect("a trial");
        let (first, second) = (next(), next());
        let point = first.point().clone();
        assert_eq!((first.number(), second.number()), (0, 1));
        drop(first);
        let again = next();
        assert_eq!((again.number(), again.is_taken_up(), again.point()), (0, true, &point));
        let third = next();
        assert_eq!((third.number(), third.is_taken_up()), (2, false));
        assert!(study.next_trial().expect("a journal").is_none());
        again.end(Outcome::Failed("for the test".into())).expect("a journal");
        for trial in [second, third] {
            trial.end(Outcome::Value(f64::NAN)).expect("a journal");
        }
        assert!(study.next_trial().expect("a journal").is_none());
        assert!(study.best().expect("a journal").is_none());
    }

    #[test]
    fn processes_share_a_study() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                // Each thread opens the journal itself, as a process would.
                scope.spawn(|| run(&Study::open(&path, config(40)).expect("a journal")));
            }
        });
        let trials = Study::open(&path, config(40)).expect("a journal").trials().expect("a journal");
        assert_eq!(trials.iter().map(|trial| trial.number).collect::<Vec<_>>(), (0..40).collect::<Vec<_>>());
        assert!(trials.iter().all(|trial| matches!(trial.outcome, Some(Outcome::Value(_)))));
    }

    #[test]
    fn a_killed_process_leaves_its_trial_to_others() {
        const JOURNAL: &str = "PORECAST_TEST_JOURNAL";
        if let Some(path) = std::env::var_os(JOURNAL) {
            // This process is the one to be killed.
            let study = Study::open(Path::new(&path), config(2)).expect("a journal");
            let _trial = study.next_trial().expect("a journal");
            std::thread::sleep(std::time::Duration::from_secs(600));
            return;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal");
        let mut child = std::process::Command::new(std::env::current_exe().expect("a program"))
            .args(["--exact", "search::tests::a_killed_process_leaves_its_trial_to_others"])
            .env(JOURNAL, &path)
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("a process");
        let study = Study::open(&path, config(2)).expect("a journal");
        for _ in 0..3000 {
            if !study.trials().expect("a journal").is_empty() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let next = || study.next_trial().expect("a journal");
        let own = next().expect("a trial");
        let as_long_as_it_lives = next().is_none();
        child.kill().expect("a process");
        child.wait().expect("a process");
        assert_eq!((own.number(), as_long_as_it_lives), (1, true));
        let left = next().expect("a trial");
        assert_eq!((left.number(), left.is_taken_up()), (0, true));
    }

    #[test]
    fn a_trial_changes_the_configuration() {
        let folder = tempfile::tempdir().expect("a folder");
        let study = Study::open(&folder.path().join("journal"), config(1)).expect("a journal");
        let trial = study.next_trial().expect("a journal").expect("a trial");
        let sets = trial.sets();
        assert_eq!(sets.len(), 4);
        let encoder = sets.iter().find(|set| set.starts_with("encoder=")).expect("a change");
        assert!(encoder.ends_with('"'), "{encoder}");
        let levels = sets.iter().find(|set| set.starts_with("levels=")).expect("a change");
        assert!(levels["levels=".len()..].parse::<i64>().is_ok(), "{levels}");
    }
}
