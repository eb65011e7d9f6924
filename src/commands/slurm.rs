//! `porecast slurm`.

use std::path::{Path, PathBuf};
use std::process::Command;

use porecast_base::progress::say;
use porecast_base::{Error, ErrorKind, Result, Verbosity, atomic, hex};
use porecast_store::config::{self, study::StudyConfig};
use porecast_store::slurm::{self, Paths};
use porecast_store::study::JobIndex;
use sha2::{Digest, Sha256};

use super::print;

/// Arguments of `porecast slurm`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  porecast slurm configs/studies/study-1.toml --dry-run\n  porecast slurm configs/studies/study-1.toml --set slurm.account=mine --set slurm.time=04:00:00 --submit\n\nRun the same command again to submit what has failed; what is finished is not submitted."
)]
pub struct Args {
    /// Study (TOML).
    pub study: PathBuf,
    /// Change a value of the study, such as `slurm.partition=gpu`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Print the job scripts, and write nothing.
    #[arg(long, conflicts_with = "submit")]
    pub dry_run: bool,
    /// Submit the job scripts with `sbatch`.
    #[arg(long)]
    pub submit: bool,
}

/// Runs `porecast slurm`.
pub fn run(args: Args, verbosity: Verbosity) -> Result<()> {
    let config: StudyConfig = config::load(&args.study, &args.set)?;
    let plan = super::study::load(&args.study, &args.set)?;
    let text = config::to_toml(&config)?;
    let folder = here()?;
    let program = std::env::current_exe().map_err(|e| Error::config("porecast", e))?;
    // Waiting jobs keep the study that they were submitted with.
    let study = plan.folder().join(format!("study-{}.toml", hex(&Sha256::digest(&text)[..4])));
    let paths = Paths { program: &program, folder: &folder, study: &study };
    if !args.dry_run {
        atomic::write(&study, text.as_bytes())?;
    }
    let mut submitted: Vec<(Vec<JobIndex>, String)> = Vec::new();
    for (stage, planned) in plan.stages.iter().enumerate() {
        let jobs: Vec<JobIndex> =
            plan.jobs().filter(|&job| job.stage == stage && !plan.is_done(job)).collect();
        if jobs.is_empty() {
            say(verbosity, &format!("{}: finished before", planned.name));
            continue;
        }
        let script = slurm::script(&plan, stage, &jobs, paths);
        let path = plan.folder().join(format!("{}.sbatch", planned.name));
        if args.dry_run {
            print(&format!("# {}\n{script}\n", path.display()))?;
            continue;
        }
        atomic::write(&path, script.as_bytes())?;
        // Slurm opens the logs, but makes no folder for them.
        let logs = plan.folder().join(&planned.name);
        std::fs::create_dir_all(&logs).map_err(|e| Error::output(&logs, e))?;
        if args.submit {
            let number = submit(&path, slurm::dependency(&plan, stage, &jobs, &submitted))?;
            say(
                verbosity,
                &format!("{}: job {number}, {} of {} to run", planned.name, jobs.len(), planned.jobs.len()),
            );
            submitted.push((jobs, number));
        } else {
            say(verbosity, &format!("{}: {}", planned.name, path.display()));
        }
    }
    if !args.dry_run && !args.submit {
        say(verbosity, "next: the same command with --submit, which also sets what each job waits for");
    }
    Ok(())
}

fn here() -> Result<PathBuf> {
    std::env::current_dir().map_err(|e| Error::config("the current folder", e))
}

/// Submits a script; returns the number of its job.
fn submit(script: &Path, dependency: Option<String>) -> Result<String> {
    let mut sbatch = Command::new("sbatch");
    sbatch.arg("--parsable").arg("--kill-on-invalid-dep=yes");
    sbatch.args(dependency.map(|dependency| format!("--dependency={dependency}"))).arg(script);
    let failed = |what: &str| {
        let what = format!("sbatch {what}; --dry-run prints the job scripts");
        Error::new(ErrorKind::Output, script.display().to_string(), what)
    };
    let output =
        sbatch.output().map_err(|e| failed(&format!("cannot be started ({e}); run this where Slurm is")))?;
    if !output.status.success() {
        return Err(failed(&format!("refused it: {}", String::from_utf8_lossy(&output.stderr).trim())));
    }
    // `number`, or `number;cluster`.
    let said = String::from_utf8_lossy(&output.stdout);
    Ok(said.trim().split(';').next().unwrap_or_default().to_owned())
}
