//! The split of a segmentation dataset, stored in a file beside it.

use std::path::{Path, PathBuf};

use porecast_imaging::split::{Member, Split, SplitConfig};

use crate::SegmentationDataset;
use porecast_base::{Error, ErrorKind, Result, atomic};

/// Path of the split of a dataset.
pub fn path(dataset: &Path) -> PathBuf {
    let dataset = atomic::follow(dataset);
    let mut name = dataset.file_name().unwrap_or_default().to_owned();
    name.push(".split.toml");
    dataset.with_file_name(name)
}

/// The split of a dataset that `config` specifies; written to its file if there is none.
///
/// Images without a mask are in no part, since they have no target.
///
/// # Errors
/// The file holds a split of other images or of another configuration, the dataset cannot be split
/// that way, or a file cannot be read or written.
pub fn split_of(dataset: &SegmentationDataset, config: &SplitConfig) -> Result<Split> {
    let mut members = Vec::new();
    for (index, (id, group)) in dataset.ids().iter().zip(dataset.groups()).enumerate() {
        if let Some(counts) = dataset.class_counts(index)? {
            members.push(Member {
                id: id.clone(),
                group: group.clone(),
                target_ratio: Some(target_ratio(&counts)),
            });
        }
    }
    let split = agreed(dataset.path(), &members, config)?;
    let path = path(dataset.path());
    if !path.exists() {
        split.write(&path, &members)?;
    }
    Ok(split)
}

/// Share of non-background pixels; `counts` holds those of each class, the background first.
pub fn target_ratio(counts: &[u64]) -> f64 {
    let all: u64 = counts.iter().sum();
    // Equal to the share computed from a mask, to the last bit.
    counts.iter().skip(1).sum::<u64>() as f64 / all.max(1) as f64
}

/// The split that `config` specifies. A file beside the dataset must hold the same split.
///
/// # Errors
/// No image has a mask, the dataset cannot be split that way, or the file holds another split.
pub fn agreed(dataset: &Path, members: &[Member], config: &SplitConfig) -> Result<Split> {
    if members.is_empty() {
        return Err(Error::input(dataset, "has no image with a mask, so there is nothing to split"));
    }
    let wanted = Split::new(members, config, dataset)?;
    let path = path(dataset);
    if path.exists() && Split::read(&path, members)? != wanted {
        let what = "differs from the configured split; restore the `split` settings, or delete this file, or run \
                    `porecast prepare --force`";
        return Err(Error::new(ErrorKind::Mismatch, path.display().to_string(), what));
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Array3};
    use porecast_imaging::AnnotatedImage;
    use porecast_imaging::split::Method;

    use super::*;
    use crate::config::segmentation::Depth;
    use crate::segmentation;

    fn config(seed: u64) -> SplitConfig {
        SplitConfig { method: Method::HoldOut { validation: 0.25, test: 0.25 }, bins: 2, seed }
    }

    fn dataset(path: &Path, count: usize) -> SegmentationDataset {
        let sample = |index: usize| AnnotatedImage {
            id: format!("i{index}"),
            group: format!("g{index}"),
            image: Array3::zeros((1, 4, 4)),
            mask: (index != 0).then(|| Array2::from_shape_fn((4, 4), |(y, x)| u8::from(4 * y + x < index))),
            original_shape: (4, 4),
            spacing_mm: None,
        };
        let classes = ["rest", "it"].map(String::from);
        segmentation::write(path, &classes, "", Depth::Eight, |writer| {
            (0..count).try_for_each(|index| writer.push(&sample(index)))
        })
        .unwrap();
        SegmentationDataset::open(path).unwrap()
    }

    #[test]
    fn a_split_is_made_once_and_then_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d.h5");
        let data = dataset(&path, 13);
        let split = split_of(&data, &config(1)).unwrap();
        assert_eq!((split.train.len(), split.folds[0].len(), split.test.len()), (6, 3, 3));
        assert!(!split.train.iter().chain(&split.test).chain(&split.folds[0]).any(|id| id == "i0"));
        let file = folder.path().join("d.h5.split.toml");
        let written = std::fs::read(&file).unwrap();
        assert_eq!(split_of(&data, &config(1)).unwrap(), split);
        assert_eq!(std::fs::read(&file).unwrap(), written);

        let refused = |data: &SegmentationDataset, config: &SplitConfig, wanted: &str| {
            let error = split_of(data, config).unwrap_err();
            assert!(error.to_string().contains(wanted) && error.exit_code() == 2, "{error}");
        };
        refused(&data, &config(2), "differs from the configured split; restore the `split` settings");
        refused(&dataset(&path, 14), &config(1), "d.h5.split.toml: was written for another dataset");
        std::fs::remove_file(&file).unwrap();
        refused(&dataset(&path, 1), &config(1), "has no image with a mask");
        refused(&dataset(&path, 3), &config(1), "too few");
    }
}
