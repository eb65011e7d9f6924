//! `porecast synth`: a synthetic data set in the on-disk format of a segmentation study.

use porecast_imaging::synth::{Study, mars};

use crate::cli::{StudyName, SynthArgs, Verbosity};
use crate::config::parse;
use crate::error::{Error, ErrorKind, Result};
use crate::interrupt;

/// Runs `porecast synth`.
///
/// # Errors
/// A value that makes no sense, a folder that exists already or cannot be written, or the user stopped it.
pub fn run(args: &SynthArgs, verbosity: Verbosity) -> Result<()> {
    let output = &args.output;
    let (name, sets) = (args.study.name(), &args.set);
    let study = match args.study {
        StudyName::RightVentricle => Study::RightVentricle(parse(name, "", sets)?),
        StudyName::Stas => Study::Stas(parse(name, "", sets)?),
        StudyName::Mars => Study::Mars(parse(name, "", sets)?),
        StudyName::SeaIce => Study::SeaIce(parse(name, "", sets)?),
    };
    if output.exists() {
        let what = "exists already; name a new folder, or remove it first";
        return Err(Error::new(ErrorKind::Exists, output.display().to_string(), what));
    }
    interrupt::listen();
    study.write_until(output, args.seed, &interrupt::is_requested)?;
    if !verbosity.quiet {
        let source = match args.study {
            StudyName::Mars => output.join(mars::FILE),
            _ => output.clone(),
        };
        println!(
            "{}: synthetic data set of the study {name}\nnext: porecast prepare configs/segmentation/{}.toml --source {}",
            output.display(),
            name.replace('-', "_"),
            source.display()
        );
    }
    Ok(())
}
