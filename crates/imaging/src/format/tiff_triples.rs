//! Multi-sensor scenes: one TIFF file per sensor and one for the mask.
//!
//! ```text
//! train/scene0001_VIS.tif    240 x 240, RGB
//! train/scene0001_SAR.tif    720 x 720
//! train/scene0001_REF.tif    240 x 240, 0 and 255 or classes
//! ```
//!
//! A word in the name of the file or the folder identifies the sensor; the rest of the path identifies the
//! scene.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ndarray::{Array2, Array3, Axis, concatenate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Grouping, Scaling, Unlabelled, folder, nothing_usable, tiff_raster};
use crate::annotated::AnnotatedImage;
use crate::resize::{resize_image, resize_mask};
use crate::warning::Warning;
use porecast_base::{Error, Result};

/// Options for reading scenes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Words that identify the sensors, in the order in which their channels are stacked; case-insensitive.
    pub bands: Vec<String>,
    /// Word that identifies the mask.
    pub mask: String,
    /// Height and width to which all files are resized; if not given, those of the first band.
    pub shape: Option<(usize, usize)>,
    /// Mapping of stored values to [0, 1].
    pub scaling: Scaling,
    /// Stored value of pixels without data, besides the one that a file names itself (GDAL_NODATA). They do not
    /// count in the scaling and become 0.
    pub fill_value: Option<f32>,
    /// Handling of scenes without a mask.
    pub unlabelled: Unlabelled,
    /// Groups that a split must not divide.
    pub grouping: Grouping,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bands: vec!["VIS".into(), "SAR".into()],
            mask: "REF".into(),
            shape: None,
            scaling: Scaling::default(),
            fill_value: None,
            unlabelled: Unlabelled::default(),
            grouping: Grouping::default(),
        }
    }
}

/// Scenes and their masks.
#[derive(Debug)]
pub struct TiffTriples {
    options: Options,
    scenes: Vec<Scene>,
    warnings: Vec<Warning>,
}

#[derive(Debug)]
struct Scene {
    id: String,
    group: String,
    bands: Vec<PathBuf>,
    mask: Option<PathBuf>,
    /// Shape of the first band.
    shape: (usize, usize),
}

impl TiffTriples {
    /// Finds the scenes below `path` and compares the sizes of their files.
    ///
    /// # Errors
    /// If the folder cannot be read or contains no usable scene.
    pub fn open(path: &Path, options: Options) -> Result<Self> {
        let files = folder::files_below(path)?;
        let is_image = |file: &&PathBuf| matches!(folder::extension(file).as_str(), "tif" | "tiff" | "png");
        let mut source = Self { options, scenes: Vec::new(), warnings: Vec::new() };
        let mut parts: BTreeMap<String, Vec<Option<PathBuf>>> = BTreeMap::new();
        let mut strangers = Vec::new();
        let roles: Vec<String> = source
            .options
            .bands
            .iter()
            .chain([&source.options.mask])
            .map(|role| role.to_lowercase())
            .collect();
        for file in files.iter().filter(is_image) {
            let below = file.strip_prefix(path).unwrap_or(file).with_extension("");
            let Some((role, scene)) = role_and_scene(&below.to_string_lossy(), &roles) else {
                strangers.push(folder::name(file));
                continue;
            };
            let slot = &mut parts.entry(scene).or_insert_with(|| vec![None; roles.len()])[role];
            match slot {
                None => *slot = Some(file.clone()),
                Some(first) => {
                    let what = format!("is a second {} beside {}; left out", roles[role], first.display());
                    source.warnings.push(Warning::new(file, what));
                }
            }
        }
        if !strangers.is_empty() {
            let what = format!(
                "{} images are named after none of {}: {}; left out",
                strangers.len(),
                roles.join(", "),
                folder::some_of(&strangers)
            );
            source.warnings.push(Warning::new(path, what));
        }
        let mut without_mask = Vec::new();
        for (id, mut files) in parts {
            let mask = files.pop().flatten();
            if mask.is_none() {
                without_mask.push(id.clone());
                if source.options.unlabelled == Unlabelled::LeaveOut {
                    continue;
                }
            }
            match source.check(path, &id, files, mask) {
                Ok(scene) => source.scenes.push(scene),
                Err(error) => source.warnings.push(error.into()),
            }
        }
        if !without_mask.is_empty() {
            let what = format!(
                "{} scenes have no {}: {}; {}",
                without_mask.len(),
                source.options.mask,
                folder::some_of(&without_mask),
                match source.options.unlabelled {
                    Unlabelled::LeaveOut => "left out",
                    Unlabelled::Keep => "kept without a mask",
                }
            );
            source.warnings.push(Warning::new(path, what));
        }
        if source.scenes.is_empty() {
            let wanted = format!("scene with files for {}", roles.join(", "));
            return Err(nothing_usable(path, &wanted, &source.warnings));
        }
        Ok(source)
    }

    /// Warnings from opening.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Number of scenes.
    #[expect(clippy::len_without_is_empty, reason = "an empty source is refused when it is opened")]
    pub fn len(&self) -> usize {
        self.scenes.len()
    }

    /// Reads one scene, resizes its bands to one size and stacks them.
    ///
    /// # Errors
    /// If a file is damaged or contains NaN, or a mask is neither class indices nor black and white.
    ///
    /// # Panics
    /// When `index` is not below [`len`](Self::len).
    pub fn sample(&self, index: usize) -> Result<AnnotatedImage> {
        let scene = &self.scenes[index];
        let shape = self.options.shape.unwrap_or(scene.shape);
        let bands = scene
            .bands
            .iter()
            .map(|path| self.band(path).map(|band| resize_image(&band, shape)))
            .collect::<Result<Vec<_>>>()?;
        let views: Vec<_> = bands.iter().map(|band| band.view()).collect();
        let image = concatenate(Axis(0), &views).expect("all bands were resized to one shape");
        let mask = scene.mask.as_deref().map(read_mask).transpose()?.map(|mask| resize_mask(&mask, shape));
        Ok(AnnotatedImage {
            id: scene.id.clone(),
            group: scene.group.clone(),
            image,
            mask,
            original_shape: scene.shape,
            spacing_mm: None,
        })
    }

    fn band(&self, path: &Path) -> Result<Array3<f32>> {
        let mut raster = tiff_raster::read(path)?;
        let fills: Vec<f32> = raster.fill.into_iter().chain(self.options.fill_value).collect();
        for mut channel in raster.values.axis_iter_mut(Axis(0)) {
            let values = channel.as_slice_mut().expect("channels are in rows");
            self.options.scaling.apply(values, raster.type_range, &fills).ok_or_else(|| {
                Error::input(path, "holds values that are not numbers; fill the gaps with a number first")
            })?;
        }
        Ok(raster.values)
    }

    /// Checks that the sizes of a scene's files are consistent with the same frame.
    fn check(
        &self,
        root: &Path,
        id: &str,
        files: Vec<Option<PathBuf>>,
        mask: Option<PathBuf>,
    ) -> Result<Scene> {
        let absent: Vec<&str> = files
            .iter()
            .zip(&self.options.bands)
            .filter(|(file, _)| file.is_none())
            .map(|(_, band)| band.as_str())
            .collect();
        if !absent.is_empty() {
            let named = files.iter().flatten().chain(&mask).next().map_or(root, |file| file.as_path());
            return Err(Error::input(named, format!("scene {id} has no {}", absent.join(" and no "))));
        }
        let bands: Vec<PathBuf> = files.into_iter().flatten().collect();
        let shapes = bands.iter().map(|band| tiff_raster::shape(band)).collect::<Result<Vec<_>>>()?;
        let first = *shapes.first().ok_or_else(|| Error::input(root, "no band is named in the options"))?;
        for (band, &shape) in bands.iter().zip(&shapes) {
            if !is_same_frame(shape, first) {
                return Err(misfit(band, shape, &bands[0], first));
            }
        }
        if let Some(mask) = &mask {
            let shape = tiff_raster::shape(mask)?;
            if !is_same_frame(shape, first) {
                return Err(misfit(mask, shape, &bands[0], first));
            }
        }
        let group = match self.options.grouping {
            Grouping::Image => id.to_owned(),
            Grouping::Folder => id.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned(),
        };
        Ok(Scene { id: id.to_owned(), group, bands, mask, shape: first })
    }
}

/// Whether two sizes can show the same frame: equal aspect ratios, to within one pixel of the smaller size.
fn is_same_frame(a: (usize, usize), b: (usize, usize)) -> bool {
    let (small, large) = if a.0 <= b.0 { (a, b) } else { (b, a) };
    let scale = large.0 as f64 / small.0 as f64;
    (large.1 as f64 / scale - small.1 as f64).abs() <= 1.0
}

fn misfit(file: &Path, shape: (usize, usize), first: &Path, of_first: (usize, usize)) -> Error {
    let what = format!(
        "is {} x {} (height x width), which does not fit {} of {} x {}: it belongs to another scene; replace or \
         remove it",
        shape.0,
        shape.1,
        folder::name(first),
        of_first.0,
        of_first.1
    );
    Error::input(file, what)
}

/// Index of the role word in a path, and the path without it. Words in the file name take precedence over
/// words in a folder name.
fn role_and_scene(below: &str, roles: &[String]) -> Option<(usize, String)> {
    let below = below.replace('\\', "/");
    let words = words_of(&below);
    let (role, (start, end)) = words.into_iter().rev().find_map(|(start, end)| {
        let word = below[start..end].to_lowercase();
        roles.iter().position(|role| *role == word).map(|role| (role, (start, end)))
    })?;
    // Removes one separator together with the word.
    let (before, after) = (&below[..start], &below[end..]);
    let is_separator = |c: char| !c.is_alphanumeric();
    let scene = match before.strip_suffix(is_separator) {
        Some(rest) if !before.ends_with('/') || after.starts_with('/') => format!("{rest}{after}"),
        _ => format!("{before}{}", after.strip_prefix(is_separator).unwrap_or(after)),
    };
    Some((role, scene.trim_start_matches('/').to_owned()))
}

/// Start and end of each alphanumeric word.
fn words_of(text: &str) -> Vec<(usize, usize)> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), '/')]) {
        match (c.is_alphanumeric(), start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                words.push((from, at));
                start = None;
            }
            _ => {}
        }
    }
    words
}

/// Reads classes from an integer mask. A mask with only black and white (0 and 255, or the largest value of
/// the type) has background and class 1.
fn read_mask(path: &Path) -> Result<Array2<u8>> {
    let raster = tiff_raster::read(path)?;
    let first = raster.values.index_axis(Axis(0), 0);
    if raster.values.axis_iter(Axis(0)).any(|channel| channel != first) {
        return Err(Error::input(path, "is a mask in colours; save it as grey levels, one per class"));
    }
    if raster.is_white_zero {
        let what = "is a mask in which 0 is white (WhiteIsZero, as tifffile saves booleans), so that it is unclear \
                    which value is the background; save it as 8 bits with 0 as background";
        return Err(Error::input(path, what));
    }
    let without = raster.fill.filter(|&fill| fill != 0.0).map_or(0, |fill| {
        let is_fill = |v: &&f32| **v == fill || (v.is_nan() && fill.is_nan());
        first.iter().filter(is_fill).count()
    });
    if without > 0 {
        let what = format!(
            "is a mask in which {without} pixels have no class (GDAL_NODATA); give them a class, 0 for the background"
        );
        return Err(Error::input(path, what));
    }
    let white = raster.type_range.map_or(255.0, |(_, largest)| largest);
    let is_black_and_white = first.iter().all(|&v| v == 0.0 || v == 255.0 || v == white);
    if is_black_and_white {
        return Ok(first.mapv(|v| u8::from(v > 0.0)));
    }
    // Masks do not have this many classes, so these are grey levels of an image.
    if let Some(value) = first.iter().find(|&&v| v.fract() != 0.0 || !(0.0..32.0).contains(&v)) {
        let what = format!("is a mask that holds {value}; expected classes 0 to 31, or 0 and 255");
        return Err(Error::input(path, what));
    }
    Ok(first.mapv(|v| v as u8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_is_found_in_the_name_before_the_folder() {
        let roles = ["vis".to_owned(), "sar".to_owned(), "ref".to_owned()];
        let found = |path: &str| role_and_scene(path, &roles).map(|(role, scene)| format!("{role} {scene}"));
        assert_eq!(found("train/p1_VIS_07").unwrap(), "0 train/p1_07");
        assert_eq!(found("train/p1_07_sar").unwrap(), "1 train/p1_07");
        assert_eq!(found("train/REF_p1_07").unwrap(), "2 train/p1_07");
        assert_eq!(found("train/REF/p1_07").unwrap(), "2 train/p1_07");
        assert_eq!(found("REF/p1_07").unwrap(), "2 p1_07");
        assert_eq!(found("vis/x_ref").unwrap(), "2 vis/x");
        assert_eq!(found("train/visible_07"), None);
    }

    #[test]
    fn frames_are_the_same_when_their_sides_have_the_same_ratio() {
        assert!(is_same_frame((240, 240), (720, 720)));
        assert!(is_same_frame((100, 133), (301, 400)));
        assert!(!is_same_frame((532, 652), (620, 804)));
    }
}
