//! Test support: runs the program in a temporary folder and checks its exit code and output.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};

use porecast::simulations::percolation::{self, PercolationConfig};
use porecast::simulations::{DomainConfig, FluidPair, Side};
use porecast::store::invasion::{self, Origin};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use tempfile::TempDir;

/// The program under test. HDF5 file locking is off, because a program started while a test has a file open
/// inherits the lock of that file.
pub fn porecast() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_porecast"));
    program.env("HDF5_USE_FILE_LOCKING", "FALSE");
    program
}

/// Output of a command as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// Sends Ctrl-C to a program.
pub fn interrupt(child: &Child) {
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(status.success());
}

/// How often a test kills a program: the environment variable `PORECAST_KILL_POINTS`, or `otherwise`.
pub fn kill_points(otherwise: usize) -> usize {
    std::env::var("PORECAST_KILL_POINTS").ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// The same command with files limited to `kilobytes`, which acts as a full disk.
pub fn on_a_full_disk(command: &Command, kilobytes: usize) -> Command {
    let mut shell = Command::new("sh");
    // The unit of `ulimit -f` is 512 bytes in POSIX.
    shell.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", 2 * kilobytes));
    shell.arg(command.get_program()).args(command.get_args());
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(folder) = command.get_current_dir() {
        shell.current_dir(folder);
    }
    shell
}

/// What a command shows on a terminal of `width` columns, line by line without control sequences; `None`, with a line that
/// says so, if `script` is not installed.
pub fn on_a_terminal(command: &Command, width: usize) -> Option<String> {
    let quoted = |word: &OsStr| format!("'{}'", word.to_str().expect("a text"));
    let words: Vec<String> =
        std::iter::once(command.get_program()).chain(command.get_args()).map(quoted).collect();
    let line = format!("stty cols {width} rows 40; {}", words.join(" "));
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).current_dir(command.get_current_dir()?);
    let Ok(output) = script.env("TERM", "xterm").stdin(std::process::Stdio::null()).output() else {
        println!("skipped: `script` is not installed");
        return None;
    };
    let mut shown = String::new();
    let raw = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut rest = raw.chars();
    while let Some(character) = rest.next() {
        match character {
            '\u{1b}' => {
                // A control sequence ends with a letter.
                rest.by_ref().find(char::is_ascii_alphabetic);
            }
            '\r' => shown.push('\n'),
            other => shown.push(other),
        }
    }
    assert!(output.status.success(), "{shown}");
    Some(shown)
}

/// Writes a percolation dataset of disc packs.
pub fn dataset(path: &Path, domains: u64, shape: (usize, usize), frames: usize) {
    dataset_of("domain", path, domains, shape, frames);
}

/// The same with domains of another name.
pub fn dataset_of(name: &str, path: &Path, domains: u64, shape: (usize, usize), frames: usize) {
    let config: DomainConfig =
        toml::from_str("kind='disc-pack'\nporosity=0.7\ngrain_radius=3.0\ngrain_radius_std=0.5")
            .expect("a valid generator");
    let origin = Origin { simulator: "percolation".into(), campaign: String::new() };
    let sequences = (0..domains).map(|index| {
        let mut generator = ChaCha8Rng::seed_from_u64(index);
        let domain = config.generate(shape, 1e-5, Side::Top, &mut generator).expect("a domain");
        let percolation = PercolationConfig { frames, ..PercolationConfig::default() };
        let trajectory =
            percolation::simulate(&domain, Side::Top, &FluidPair::default(), &percolation, index)
                .expect("simulated");
        Ok((format!("{name}-{index:04}"), trajectory))
    });
    invasion::write(path, &origin, sequences).expect("written");
}

/// A folder with a small dataset (`data.h5`) and the configurations and runs of a test.
pub struct Project {
    folder: TempDir,
}

impl Workshop for Project {
    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Project {
    /// Eight domains of 32 x 32 pixels, five frames each.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        dataset(&folder.path().join("data.h5"), 8, (32, 32), 5);
        Self { folder }
    }

    /// Writes `train.toml` for a network that trains in a second; top-level keys come first in `more`.
    pub fn config(&self, more: &str) -> PathBuf {
        let path = self.path("train.toml");
        let data = self.path("data.h5");
        let text = format!(
            "name = 'small'\ndataset = {data:?}\n{more}\n[model.unet]\nbase_channels = 4\nlevels = 2\n"
        );
        std::fs::write(&path, text).expect("written");
        path
    }

    /// `porecast train <config> -o <run>`.
    pub fn train(&self, config: &Path, run: &str) -> Command {
        let mut command = self.porecast(["train"]);
        command.arg(config).arg("-o").arg(self.path(run));
        command
    }

    /// `porecast predict --run <run> <input> -o <output>`.
    pub fn predict(&self, run: &str, input: &str, output: &str) -> Command {
        let mut command = self.porecast(["predict", "--run"]);
        command.arg(self.path(run));
        command.arg(self.path(input)).arg("-o").arg(self.path(output));
        command
    }

    /// Trains a network for a few steps.
    pub fn trained(&self, more: &str, run: &str) {
        let more =
            format!("{more}\n[loss]\ncross_entropy = 1.0\n[training]\nepochs = 1\nsamples_per_epoch = 8");
        self.train(&self.config(&more), run).succeeds();
    }
}

/// A folder in which a test runs the program.
pub trait Workshop {
    fn folder(&self) -> &Path;

    /// A path in the folder.
    fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// The program with the folder as its working directory.
    fn porecast<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut program = porecast();
        program.current_dir(self.folder()).args(arguments);
        program
    }

    /// Runs the arguments, split at spaces; asserts success and returns standard output.
    fn assert_done(&self, arguments: &str) -> String {
        text(&self.porecast(arguments.split_whitespace()).succeeds().stdout)
    }

    /// Runs the arguments, split at spaces; asserts exit code 2 and all of `words` in the error.
    fn assert_refused(&self, arguments: &str, words: &[&str]) {
        fails(&mut self.porecast(arguments.split_whitespace()), 2, words);
    }
}

impl Workshop for Path {
    fn folder(&self) -> &Path {
        self
    }
}

/// Runs commands and asserts their exit code.
pub trait Exits {
    /// Runs the command; asserts exit code `code`.
    fn exits(&mut self, code: i32) -> Output;

    /// Runs the command; asserts success.
    fn succeeds(&mut self) -> Output {
        self.exits(0)
    }
}

impl Exits for Command {
    fn exits(&mut self, code: i32) -> Output {
        let output = self.output().expect("the command starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{self:?} said {said}");
        output
    }
}

/// Runs a command that must fail with `code` and all of `words`; returns the whole message.
pub fn fails(command: &mut Command, code: i32, words: &[&str]) -> String {
    failed(&command.output().expect("the command starts"), code, words)
}

/// Asserts that a command failed with `code` and all of `words`; returns the whole message. The message
/// must not come from a panic and must have at most two lines, apart from a list of problems.
pub fn failed(output: &Output, code: i32, words: &[&str]) -> String {
    let stderr = format!("\n{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(!stderr.contains("panicked") && !stderr.contains("HDF5-DIAG"), "{stderr}");
    let (_, message) = stderr.split_once("\nerror: ").unwrap_or_else(|| panic!("no error in: {stderr}"));
    for word in words {
        assert!(message.contains(word), "{word:?} is not in: {message}");
    }
    let message = message.trim_end_matches("\n\nFor more information, try '--help'.\n");
    let before_the_list = message.lines().take_while(|line| !line.starts_with("  "));
    assert!(before_the_list.count() <= 2, "too long: {message}");
    message.to_owned()
}

/// The files of a run that must not depend on interruptions, by name: weights, and metrics without durations.
pub fn outcome(run: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(run).expect("a run folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(outcome(&path));
        } else if path.extension().is_some_and(|extension| extension == "safetensors") {
            files.insert(path.clone(), std::fs::read(&path).expect("read"));
        } else if path.ends_with("metrics.csv") {
            let text = std::fs::read_to_string(&path).expect("read");
            // The last two columns are durations.
            let rows = text.lines().map(|row| row.rsplitn(3, ',').last().expect("several columns"));
            files.insert(path.clone(), rows.collect::<Vec<_>>().join("\n").into_bytes());
        }
    }
    files
        .into_iter()
        .map(|(path, bytes)| (path.strip_prefix(run).unwrap_or(&path).to_owned(), bytes))
        .collect()
}

/// Asserts that two runs have the same [`outcome`].
pub fn assert_same_outcome(run: &Path, other: &Path) {
    let (run, other) = (outcome(run), outcome(other));
    assert!(run.len() >= 3, "no run: {:?}", run.keys());
    assert!(run.keys().eq(other.keys()), "{:?} against {:?}", run.keys(), other.keys());
    for (name, bytes) in &run {
        assert!(bytes == &other[name], "{} differs", name.display());
    }
}

/// A column of the metrics of a run, one value per epoch.
pub fn metric(run: &Path, name: &str) -> Vec<f64> {
    let mut reader = csv::Reader::from_path(run.join("metrics.csv")).expect("metrics");
    let index =
        reader.headers().expect("headings").iter().position(|heading| heading == name).expect("the column");
    reader.records().map(|row| row.expect("a row")[index].parse().expect("a number")).collect()
}
