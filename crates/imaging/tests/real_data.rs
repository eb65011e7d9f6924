//! The formats as their authors have them. The files are not part of this project; tests are skipped where they are
//! absent (see CONTRIBUTING.md).

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use ndarray::{Array2, Axis, s};
use porecast_base::testing::data;
use porecast_imaging::format::cleaning::{self, CleaningConfig};
use porecast_imaging::format::dicom_contours::{DicomContours, Options, Orientation, Structure};
use porecast_imaging::format::labelme::{self, Labelme};
use porecast_imaging::format::npz_stack::{self, NpzStack};
use porecast_imaging::format::tiff_triples::{self, TiffTriples};
use porecast_imaging::format::{Unlabelled, fold_list};

/// Zeros and ones in text.
fn read_text_mask(path: &Path) -> Array2<u8> {
    let text = fs::read_to_string(path).unwrap();
    let values: Vec<u8> =
        text.split_whitespace().map(|v| u8::from(v.parse::<f64>().unwrap() > 0.0)).collect();
    let rows = text.lines().filter(|line| !line.trim().is_empty()).count();
    Array2::from_shape_vec((rows, values.len() / rows), values).unwrap()
}

#[test]
fn filled_contours_equal_the_published_masks_up_to_boundary_pixels() {
    let Some(path) = data("right_ventricle/rvsc_patient09") else { return };
    for (structure, name) in
        [(Structure::Cavity, "endocardium-p09-0020.mask"), (Structure::Whole, "epicardium-p09-0020.mask")]
    {
        let options = Options { structure, orientation: Orientation::Landscape, ..Options::default() };
        let source = DicomContours::open(&path, options).unwrap();
        let sample = source.sample(0).unwrap();
        assert_eq!(sample.id, "P09/P09-0020");
        let (mask, published) = (sample.mask.unwrap(), read_text_mask(&path.join("patient09").join(name)));
        assert_eq!(mask.dim(), published.dim());
        let (mut same, mut differing) = (0, 0);
        for ((y, x), &class) in mask.indexed_iter() {
            if class == published[[y, x]] {
                same += usize::from(class == 1);
                continue;
            }
            differing += 1;
            // A boundary pixel has both classes among itself and its eight neighbours.
            let around = published.slice(s![y - 1..=y + 1, x - 1..=x + 1]);
            assert!(around.iter().any(|&c| c != published[[y, x]]), "{name} differs inside, at {y}, {x}");
        }
        let dice = 2.0 * same as f64 / (2.0 * same as f64 + differing as f64);
        println!("{name}: {differing} boundary pixels differ, Dice {dice:.4}");
        assert!(dice > 0.98, "{name}: {dice}");
    }
}

#[test]
fn the_right_ventricle_patient_has_three_slices_with_contours_of_24() {
    let Some(path) = data("right_ventricle/rvsc_patient09") else { return };
    let source = DicomContours::open(&path, Options::default()).unwrap();
    assert_eq!(source.len(), 3);
    // Backslashes in the list of contours are no reason for a warning; 21 slices without a contour are.
    let warnings: Vec<String> = source.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("21 of 24 slices have no icontour"), "{warnings:?}");
    let sample = source.sample(0).unwrap();
    assert_eq!((sample.shape(), sample.group.as_str()), ((256, 216), "P09"));
    assert_eq!(sample.spacing_mm, Some((0.701_402_805_611_22, 0.701_402_805_611_22)));
    assert!(sample.image.iter().all(|v| (0.0..=1.0).contains(v)) && sample.image.iter().any(|&v| v == 1.0));
    let all = Options { unlabelled: Unlabelled::Keep, ..Options::default() };
    let source = DicomContours::open(&path, all).unwrap();
    assert_eq!(source.len(), 24);
    assert_eq!((0..24).filter(|&i| source.sample(i).unwrap().mask.is_some()).count(), 3);
}

#[test]
fn the_sunnybrook_excerpt_names_the_patient_whose_files_are_missing() {
    let Some(path) = data("right_ventricle/sunnybrook_excerpt") else { return };
    let source = DicomContours::open(&path, Options::default()).unwrap();
    assert_eq!(source.len(), 74);
    let warnings: Vec<String> = source.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("link.csv") && warnings[0].contains("SCD0000501"), "{warnings:?}");
    let groups: BTreeSet<String> = (0..74).map(|i| source.sample(i).unwrap().group).collect();
    assert_eq!(groups.len(), 4);
    let whole = Options { structure: Structure::Whole, ..Options::default() };
    let source = DicomContours::open(&path, whole).unwrap();
    assert_eq!(source.len(), 37);
    assert_eq!(source.warnings().iter().filter(|w| w.message.contains("have no ocontour")).count(), 4);
}

#[test]
fn contours_lie_where_the_image_changes_most_when_pixels_are_counted_from_one() {
    let Some(path) = data("right_ventricle/sunnybrook_excerpt") else { return };
    let source = DicomContours::open(&path, Options::default()).unwrap();
    // Mean change of brightness from outside to inside, with the mask moved by up to a pixel.
    let mut changes = Array2::<f64>::zeros((3, 3));
    for index in 0..source.len() {
        let sample = source.sample(index).unwrap();
        let (image, mask) = (sample.image.index_axis(Axis(0), 0).to_owned(), sample.mask.unwrap());
        for ((dy, dx), change) in changes.indexed_iter_mut() {
            let (mut sum, mut count) = (0.0, 0);
            for y in 2..mask.nrows() - 2 {
                for x in 2..mask.ncols() - 2 {
                    for (ny, nx) in [(y + 1, x), (y, x + 1)] {
                        let sign = f64::from(mask[[ny, nx]]) - f64::from(mask[[y, x]]);
                        if sign != 0.0 {
                            let at = |y: usize, x: usize| f64::from(image[[y + dy - 1, x + dx - 1]]);
                            sum += sign * (at(ny, nx) - at(y, x));
                            count += 1;
                        }
                    }
                }
            }
            *change += sum / f64::from(count);
        }
    }
    println!("{:.3}", &changes / source.len() as f64);
    let largest = changes.iter().copied().fold(f64::MIN, f64::max);
    assert_eq!(changes[[1, 1]], largest, "{changes}");
}

#[test]
fn labelme_examples_of_version_4_are_read() {
    let Some(path) = data("stas/labelme_examples") else { return };
    let source = Labelme::open(&path, labelme::Options::default()).unwrap();
    assert_eq!(source.len(), 8);
    let warnings: Vec<String> = source.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("2011_000006.json") && warnings[0].contains("outside the image"));
    for index in 0..8 {
        let sample = source.sample(index).unwrap();
        assert!((0.05..0.9).contains(&sample.target_ratio().unwrap()), "{}", sample.id);
    }
    // The bus of 2011_000025: a point on its front and one in the sky.
    let bus =
        source.sample((0..8).find(|&i| source.sample(i).unwrap().id == "2011_000025").unwrap()).unwrap();
    let mask = bus.mask.unwrap();
    assert_eq!((mask.dim(), mask[[200, 250]], mask[[10, 50]]), ((375, 500), 1, 0));
}

#[test]
fn the_published_fold_lists_are_a_split_without_leaks() {
    let Some(path) = data("stas/stas_splits/Json_Data") else { return };
    let split = fold_list::read_split(&path).unwrap();
    assert_eq!(split.folds.iter().map(Vec::len).collect::<Vec<_>>(), [181; 5]);
    assert_eq!(split.test.len(), 133);
    let listed = fold_list::read(&path.join("Test.json")).unwrap();
    assert!(listed.iter().all(|image| image.height == Some(942) && !image.boxes.is_empty()));
    assert_eq!(fold_list::read(&path.join("Public.json")).unwrap().len(), 131);
}

#[test]
fn the_mars_stack_equals_its_pictures() {
    let Some(path) = data("mars") else { return };
    let source = NpzStack::open(&path.join("mars_rendered_10.npz"), npz_stack::Options::default()).unwrap();
    assert_eq!((source.len(), source.warnings().len()), (10, 0));
    for index in 0..10 {
        let sample = source.sample(index).unwrap();
        let grey =
            |what: &str| image::open(path.join(format!("{index:02}_{what}.png"))).unwrap().into_luma8();
        let (picture, mask) = (grey("image"), grey("mask"));
        assert_eq!(sample.shape(), (64, 128));
        for (x, y, pixel) in picture.enumerate_pixels() {
            let (y, x) = (y as usize, x as usize);
            assert_eq!((sample.image[[0, y, x]] * 255.0).round(), f32::from(pixel.0[0]));
            assert_eq!(sample.mask.as_ref().unwrap()[[y, x]], mask.get_pixel(x as u32, y as u32).0[0]);
        }
    }
    let findings = cleaning::look_through(&source, &CleaningConfig::default());
    assert!(findings.same_mask.is_empty() && findings.same_image.is_empty(), "{findings:?}");
}

#[test]
fn the_sea_ice_mask_that_does_not_fit_is_named() {
    let Some(path) = data("sea_ice") else { return };
    let options =
        || tiff_triples::Options { bands: vec!["modis".into()], mask: "mask".into(), ..Default::default() };
    let source = TiffTriples::open(&path, options()).unwrap();
    assert_eq!(source.len(), 1);
    let warning = source.warnings()[0].to_string();
    assert!(warning.contains("mask-term2.png: is 532 x 652") && warning.contains("620 x 804"), "{warning}");
    let sample = source.sample(0).unwrap();
    assert_eq!((sample.id.as_str(), sample.image.dim()), ("term1", (3, 532, 652)));
    assert!((0.2..0.25).contains(&sample.target_ratio().unwrap()));
    // Alone, it is an error.
    let folder = tempfile::tempdir().unwrap();
    for name in ["modis-term2.tif", "mask-term2.png"] {
        fs::copy(path.join(name), folder.path().join(name)).unwrap();
    }
    let error = TiffTriples::open(folder.path(), options()).unwrap_err().to_string();
    assert!(error.contains("mask-term2.png") && error.contains("no scene"), "{error}");
}
