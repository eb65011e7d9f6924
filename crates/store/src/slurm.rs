//! Job scripts for Slurm.

use std::path::Path;

use crate::study::{JobIndex, Plan, shell_word};

/// Seconds between the notice and the time limit, if the study does not say.
const NOTICE_SECONDS: u32 = 120;

/// Starts the ranks of a training. `srun` does not inherit `--cpus-per-task` from the job, so it is passed again.
const SRUN: &str = r#"srun --kill-on-bad-exit=1 --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" "#;

/// Where the parts of a job script are.
#[derive(Debug, Clone, Copy)]
pub struct Paths<'a> {
    /// The program.
    pub program: &'a Path,
    /// The folder in which the commands run.
    pub folder: &'a Path,
    /// The study, as it was when the script was written.
    pub study: &'a Path,
}

/// The script that runs some jobs of a stage: an array, or one job if the stage has no axis.
///
/// Before the time limit Slurm sends USR1 to the script. The program then gets TERM, saves its state and ends with exit code
/// 130, and the script queues its job again. After `scancel`, which sends TERM, the script does not
/// queue the job again.
pub fn script(plan: &Plan, stage: usize, jobs: &[JobIndex], paths: Paths<'_>) -> String {
    let planned = &plan.stages[stage];
    let resources = &planned.resources;
    let is_array = !planned.each.is_empty();
    let is_training = planned.jobs.iter().any(|job| job.words.first().is_some_and(|word| word == "train"));
    let ranks = resources.ranks.filter(|&ranks| ranks > 1 && is_training);
    let folder = paths.folder.join(plan.folder()).join(&planned.name);
    let mut lines = vec![format!("--job-name={}-{}", plan.name, planned.name)];
    if is_array {
        let indices: Vec<String> = jobs.iter().map(|index| index.job.to_string()).collect();
        lines.push(format!("--array={}", indices.join(",")));
    }
    lines.push(format!("--chdir={}", quoted(paths.folder)));
    lines.push(format!("--output={}", quoted(&folder.join(if is_array { "%a.log" } else { "job.log" }))));
    lines.push("--open-mode=append".to_owned());
    lines.push("--requeue".to_owned());
    lines.push(format!("--signal=B:USR1@{}", resources.notice_seconds.unwrap_or(NOTICE_SECONDS)));
    let option = |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("{name}={value}"));
    let number = |name: &str, value: Option<u32>| value.map(|value| format!("{name}{value}"));
    let options = [
        option("--partition", &resources.partition),
        option("--account", &resources.account),
        option("--time", &resources.time),
        number("--cpus-per-task=", resources.cpus),
        number("--ntasks=", ranks),
        option("--mem", &resources.memory),
        number("--gres=gpu:", resources.gpus.filter(|&gpus| gpus > 0)),
    ];
    lines.extend(options.into_iter().flatten());
    lines.extend(resources.options.iter().flatten().cloned());
    let lines: String = lines.iter().map(|line| format!("#SBATCH {line}\n")).collect();
    let setup: String = resources.setup.iter().flatten().map(|line| format!("{line}\n")).collect();
    format!(
        r#"#!/bin/bash
{lines}
# {about}
{setup}export RAYON_NUM_THREADS=${{SLURM_CPUS_PER_TASK:-1}}
signal=
trap 'signal=USR1; {notice}' USR1
trap 'signal=TERM; kill -TERM "$program" 2>/dev/null' TERM
{launcher}{program} study {study} --stage {stage} --job "${{SLURM_ARRAY_TASK_ID:-0}}" &
program=$!
wait "$program"
code=$?
if [ -n "$signal" ]; then # the signal ended `wait`, not yet the program
    wait "$program"
    code=$?
fi
if [ "$signal" = USR1 ] && [ "$code" = 130 ]; then
    echo "The time is up; the state is saved and the job queued again."
    scontrol requeue "$SLURM_JOB_ID" && sleep 600 # until Slurm ends this script
fi
exit "$code"
"#,
        about = "Slurm sends USR1 before the time limit: the program saves its state, and the job is queued again.",
        launcher = if ranks.is_some() { SRUN } else { "" },
        // srun kills its tasks when it gets TERM itself; without `--batch`, scancel signals the tasks alone.
        notice = match ranks {
            Some(_) => r#"scancel --signal=TERM "$SLURM_JOB_ID""#,
            None => r#"kill -TERM "$program" 2>/dev/null"#,
        },
        program = quoted(paths.program),
        study = quoted(paths.study),
        stage = planned.name,
    )
}

/// What a stage waits for, as `sbatch --dependency` takes it: pairs of a submitted stage and its job number. Job by job where
/// both stages have the same axes and the same jobs are to run, else for whole stages.
pub fn dependency(
    plan: &Plan,
    stage: usize,
    jobs: &[JobIndex],
    submitted: &[(Vec<JobIndex>, String)],
) -> Option<String> {
    let indices = |jobs: &[JobIndex]| jobs.iter().map(|index| index.job).collect::<Vec<_>>();
    let waits = plan.stages[stage].needs.iter().filter_map(|need| {
        let (others, number) =
            submitted.iter().find(|(others, _)| others.first().is_some_and(|o| o.stage == *need))?;
        let each = &plan.stages[stage].each;
        let is_paired =
            !each.is_empty() && *each == plan.stages[*need].each && indices(jobs) == indices(others);
        Some(format!("{}:{number}", if is_paired { "aftercorr" } else { "afterok" }))
    });
    let waits: Vec<String> = waits.collect();
    (!waits.is_empty()).then(|| waits.join(","))
}

fn quoted(path: &Path) -> String {
    shell_word(&path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn plan() -> Plan {
        let text = "
            name = 'study'
            axes.seed = [1, 2, 3]
            slurm = { time = '01:00:00', gpus = 1, ranks = 4, setup = ['module load hdf5'] }
            [[stage]]
            name = 'train'
            each = ['seed']
            command = 'train a.toml --set seed={seed}'
            [[stage]]
            name = 'evaluate'
            needs = ['train']
            each = ['seed']
            command = 'evaluate {seed}'
            slurm = { gpus = 0, options = ['--constraint=old'], notice_seconds = 30 }
            [[stage]]
            name = 'compare'
            needs = ['evaluate']
            command = 'compare {seed}'
        ";
        Plan::new(&config::parse("study.toml", text, &[]).unwrap()).unwrap()
    }

    fn of_stage(plan: &Plan, stage: usize) -> Vec<JobIndex> {
        plan.jobs().filter(|index| index.stage == stage).collect()
    }

    #[test]
    fn a_script_asks_for_what_the_study_and_its_stage_say() {
        let plan = plan();
        let paths = Paths { program: Path::new("/p"), folder: Path::new("/a b"), study: Path::new("s.toml") };
        let train = script(&plan, 0, &of_stage(&plan, 0)[1..], paths);
        for wanted in [
            "#SBATCH --array=1,2\n",
            "#SBATCH --chdir='/a b'\n",
            "--gres=gpu:1\n",
            "--time=01:00:00\n",
            "\nmodule load hdf5\n",
            "--signal=B:USR1@120\n",
            "--ntasks=4\n",
            "signal=USR1; scancel --signal=TERM",
            "\nsrun --kill-on-bad-exit=1 --cpus-per-task=\"${SLURM_CPUS_PER_TASK:-1}\" /p study s.toml --stage train --job",
            "--output='/a b/runs/study/jobs/train/%a.log'\n",
        ] {
            assert!(train.contains(wanted), "{train}\ndoes not contain {wanted}");
        }
        let evaluate = script(&plan, 1, &of_stage(&plan, 1), paths);
        assert!(
            !evaluate.contains("gres")
                && evaluate.contains("--constraint=old")
                && evaluate.contains("USR1@30")
        );
        assert!(!evaluate.contains("ntasks") && evaluate.contains("\n/p study"), "it does not train");
        assert!(!script(&plan, 2, &of_stage(&plan, 2), paths).contains("--array"));
    }

    #[test]
    fn a_job_waits_for_its_own_or_for_the_whole_stage() {
        let plan = plan();
        let [train, evaluate] = [0, 1].map(|stage| of_stage(&plan, stage));
        let submitted = [(train.clone(), "7".to_owned()), (evaluate.clone(), "8".to_owned())];
        assert_eq!(dependency(&plan, 1, &evaluate, &submitted).unwrap(), "aftercorr:7");
        assert_eq!(dependency(&plan, 1, &evaluate[1..], &submitted).unwrap(), "afterok:7");
        assert_eq!(dependency(&plan, 2, &of_stage(&plan, 2), &submitted).unwrap(), "afterok:8");
        assert_eq!(dependency(&plan, 1, &evaluate, &[]), None);
    }
}
