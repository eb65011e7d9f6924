//! `porecast study`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use porecast_base::progress::say;
use porecast_base::{Error, ErrorKind, Result, Verbosity, interrupt};
use porecast_learning::train::is_first_process;
use porecast_store::config::{self, study::StudyConfig};
use porecast_store::study::{JobIndex, Plan};

use super::print;
use crate::program;

/// Arguments of `porecast study`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  porecast study configs/studies/study-1.toml --dry-run\n  porecast study configs/studies/study-1.toml --set values.size=256x64 --set values.domains=50\n\nRun the same command again to go on with a stopped study."
)]
pub struct Args {
    /// Study (TOML).
    pub study: PathBuf,
    /// Change a value of the study, such as `values.size=256x64`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Print the commands; those that are finished begin with `#`.
    #[arg(long)]
    pub dry_run: bool,
    /// Run only this stage; what it needs must be finished.
    #[arg(long, value_name = "NAME")]
    pub stage: Option<String>,
    /// Run only this job of the stage, from 0.
    #[arg(long, value_name = "I", requires = "stage")]
    pub job: Option<usize>,
}

/// Runs `porecast study`.
pub fn run(args: Args, verbosity: Verbosity) -> Result<()> {
    let plan = load(&args.study, &args.set)?;
    let jobs = chosen(&plan, &args)?;
    // The processes of a training that `srun` has started run the same job; one of them speaks.
    let verbosity = if is_first_process() { verbosity } else { Verbosity { quiet: true, verbose: false } };
    if args.dry_run {
        return print(&commands(&plan, &jobs));
    }
    for index in jobs {
        if plan.is_done(index) {
            say(verbosity, &format!("{}: finished before", plan.title(index)));
            continue;
        }
        plan.require_needs(index)?;
        finish(&plan, index, verbosity)?;
    }
    Ok(())
}

/// Reads a study and spells out its jobs.
pub fn load(path: &Path, set: &[String]) -> Result<Plan> {
    let config: StudyConfig = config::load(path, set)?;
    Plan::new(&config).map_err(|e| Error::config(path.display().to_string(), e))
}

/// The jobs that the arguments name.
fn chosen(plan: &Plan, args: &Args) -> Result<Vec<JobIndex>> {
    let Some(name) = &args.stage else { return Ok(plan.jobs().collect()) };
    let Some(stage) = plan.stages.iter().position(|stage| stage.name == *name) else {
        let names: Vec<&str> = plan.stages.iter().map(|stage| stage.name.as_str()).collect();
        return Err(Error::config("--stage", format!("{name:?} is none of {}", names.join(", "))));
    };
    let count = plan.stages[stage].jobs.len();
    match args.job {
        Some(job) if job < count => Ok(vec![JobIndex { stage, job }]),
        Some(job) => Err(Error::config("--job", format!("{job} is not below {count}, the jobs of {name}"))),
        None => Ok((0..count).map(|job| JobIndex { stage, job }).collect()),
    }
}

/// A line for each job, as a shell takes it.
fn commands(plan: &Plan, jobs: &[JobIndex]) -> String {
    let line = |&index: &JobIndex| {
        let done = if plan.is_done(index) { "# finished: " } else { "" };
        format!("{done}porecast {}\n", plan.job(index).command())
    };
    jobs.iter().map(line).collect()
}

/// Runs a job in this process and records that it is finished.
fn finish(plan: &Plan, index: JobIndex, verbosity: Verbosity) -> Result<()> {
    let (began, title, job) = (Instant::now(), plan.title(index), plan.job(index));
    say(verbosity, &format!("== {title}: porecast {}", job.command()));
    let mut words = vec!["porecast".to_owned()];
    words.extend(job.words.iter().cloned());
    words.extend(verbosity.quiet.then(|| "--quiet".to_owned()));
    let code = program::run(words.into_iter().map(Into::into));
    if code == interrupt::EXIT_CODE || interrupt::is_requested() {
        return Err(Error::new(ErrorKind::Interrupted, title, "stopped; run the same study again to go on"));
    }
    if code != 0 {
        let what = format!("failed with exit code {code}; fix the cause and run the same study again");
        let kind = if code == 2 { ErrorKind::Input } else { ErrorKind::Diverged };
        return Err(Error::new(kind, title, what));
    }
    plan.record(index)?;
    say(verbosity, &format!("-- {title}: {:.0} s", began.elapsed().as_secs_f64()));
    Ok(())
}
