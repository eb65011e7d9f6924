//! `porecast synth`: writes a synthetic data set in the file format of a segmentation study.

use std::path::PathBuf;

use porecast_imaging::synth::{Study, mars};

use porecast_base::{Error, ErrorKind, Result, interrupt, lock};
use porecast_store::config::parse;

/// A segmentation study.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StudyName {
    /// Right ventricle in cardiac MRI: DICOM slices with contours in text files.
    RightVentricle,
    /// Tumour cells in lung tissue: JPEG images with labelme JSON files.
    Stas,
    /// Terrain seen by a Mars rover: a NumPy archive.
    Mars,
    /// Sea ice seen by camera and radar: TIFF triples.
    SeaIce,
}

impl StudyName {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::RightVentricle => "right-ventricle",
            Self::Stas => "stas",
            Self::Mars => "mars",
            Self::SeaIce => "sea-ice",
        }
    }
}

/// Options of `porecast synth`.
#[derive(Debug, Clone)]
pub struct SynthOptions {
    /// Study whose file format is written.
    pub study: StudyName,
    /// New folder to write.
    pub output: PathBuf,
    /// Random seed; the same seed gives the same bytes.
    pub seed: u64,
    /// Changes of the synthetic data set, each `key=value`.
    pub set: Vec<String>,
}

/// Runs `porecast synth`; returns what was written and the command that prepares it.
///
/// # Errors
/// A value is out of range, the folder exists or cannot be written, or the user stopped the command.
pub fn run(options: &SynthOptions) -> Result<String> {
    let output = &options.output;
    let (name, sets) = (options.study.name(), &options.set);
    let study = match options.study {
        StudyName::RightVentricle => Study::RightVentricle(parse(name, "", sets)?),
        StudyName::Stas => Study::Stas(parse(name, "", sets)?),
        StudyName::Mars => Study::Mars(parse(name, "", sets)?),
        StudyName::SeaIce => Study::SeaIce(parse(name, "", sets)?),
    };
    if output.exists() {
        let what = "exists already; name a new folder, or remove it first";
        return Err(Error::new(ErrorKind::Exists, output.display().to_string(), what));
    }
    let _held = lock::hold(output)?;
    interrupt::listen();
    study.write_until(output, options.seed, &interrupt::is_requested)?;
    let source = match options.study {
        StudyName::Mars => output.join(mars::FILE),
        _ => output.clone(),
    };
    Ok(format!(
        "{}: synthetic data set of the study {name}\nnext: porecast prepare configs/segmentation/{}.toml --source {}",
        output.display(),
        name.replace('-', "_"),
        source.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use porecast_imaging::synth::{MarsConfig, RightVentricleConfig, SeaIceConfig, StasConfig};

    #[test]
    fn values_are_changed_and_what_makes_no_sense_is_refused_by_its_key() {
        let sets = |text: &str| text.split(' ').map(String::from).collect::<Vec<_>>();
        let mars = parse::<MarsConfig>("mars", "", &sets("training=20 outliers=2")).unwrap();
        assert_eq!(mars, MarsConfig { training: 20, outliers: 2, ..MarsConfig::default() });
        let refused = |error: Error, wanted: &str| {
            assert!(error.to_string().contains(wanted), "{error}");
        };
        refused(
            parse::<MarsConfig>("mars", "", &sets("outliers=121")).unwrap_err(),
            "outliers: 121 is outside",
        );
        refused(parse::<MarsConfig>("mars", "", &sets("trainin=3")).unwrap_err(), "did you mean `training`?");
        refused(parse::<SeaIceConfig>("ice", "", &sets("training=0")).unwrap_err(), "training: 0 is outside");
        refused(parse::<StasConfig>("stas", "", &sets("shape=[8,900]")).unwrap_err(), "shape: [8, 900]");
        refused(
            parse::<RightVentricleConfig>("rv", "", &sets("phases=0")).unwrap_err(),
            "slices x phases = 0 is outside",
        );
    }
}
