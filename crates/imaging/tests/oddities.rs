//! What is odd in a data set is named, with its file, and does not keep the rest from being read.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::{GrayImage, Luma, Rgb, RgbImage};
use porecast_base::Result;
use porecast_imaging::Warning;
use porecast_imaging::format::dicom_contours::{self, DicomContours, Structure};
use porecast_imaging::format::labelme::{self, Labelme};
use porecast_imaging::format::tiff_triples::{self, TiffTriples};
use porecast_imaging::format::{Format, Grouping, Unlabelled};
use porecast_imaging::synth::right_ventricle::Layout;
use porecast_imaging::synth::{RightVentricleConfig, SeaIceConfig, Study};
use serde_json::{Value, json};
use tempfile::TempDir;
use tiff::encoder::{TiffEncoder, colortype};

/// The one warning about `file` that says `wanted`.
fn expect(warnings: &[Warning], file: &str, wanted: &str) {
    let found = warnings.iter().filter(|w| w.path.ends_with(file) && w.message.contains(wanted)).count();
    assert_eq!(found, 1, "{file}: {wanted}\nin {warnings:#?}");
}

fn expect_error<T>(result: Result<T>, parts: &[&str]) {
    let error = result.err().expect("this must be refused").to_string();
    assert!(parts.iter().all(|part| error.contains(part)), "{parts:?} in: {error}");
}

// ---- DICOM and contours

fn hearts(layout: Layout) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hearts");
    let config = RightVentricleConfig { layout, patients: 2, slices: 2, phases: 5 };
    Study::RightVentricle(config).write(&path, 1).unwrap();
    (folder, path)
}

fn open_hearts(path: &Path) -> DicomContours {
    DicomContours::open(path, dicom_contours::Options::default()).unwrap()
}

#[test]
fn a_listed_contour_that_is_missing_is_named() {
    let (_folder, path) = hearts(Layout::Rvsc);
    fs::remove_file(path.join("patient01/P01contours-manual/P01-0000-icontour-manual.txt")).unwrap();
    let source = open_hearts(&path);
    assert_eq!(source.len(), 7);
    expect(source.warnings(), "P01list.txt", "not there: P01-0000-icontour-manual.txt");
    expect(source.warnings(), "patient01", "7 of 10 slices have no icontour");
    let whole = dicom_contours::Options { structure: Structure::Whole, ..Default::default() };
    assert_eq!(DicomContours::open(&path, whole).unwrap().len(), 8);
}

#[test]
fn contours_without_list_or_slice_are_named() {
    let (_folder, path) = hearts(Layout::Rvsc);
    fs::remove_file(path.join("patient01/P01list.txt")).unwrap();
    fs::remove_file(path.join("patient02/P02dicom/P02-0000.dcm")).unwrap();
    let contours = path.join("patient02/P02contours-manual");
    fs::copy(contours.join("P02-0002-icontour-manual.txt"), contours.join("P02-0003-icontour-manual.txt"))
        .unwrap();
    let source = open_hearts(&path);
    assert_eq!(source.len(), 8);
    expect(source.warnings(), "P01list.txt", "cannot be read");
    expect(source.warnings(), "P02-0000-icontour-manual.txt", "there is no DICOM file");
    expect(source.warnings(), "P02list.txt", "does not name 1 contours that are there: P02-0003-icontour");
}

#[test]
fn damaged_contours_and_slices_leave_the_others() {
    let (_folder, path) = hearts(Layout::Rvsc);
    let contour =
        |number: &str| path.join(format!("patient01/P01contours-manual/P01-{number}-icontour-manual.txt"));
    fs::write(contour("0000"), "10 10\n20 twenty\n30 30\n").unwrap();
    fs::write(contour("0002"), "500 500\n510 500\n500 510\n").unwrap();
    fs::write(contour("0005"), "-50 50\n100 50\n100 150\n").unwrap();
    let slice = path.join("patient01/P01dicom/P01-0007.dcm");
    let bytes = fs::read(&slice).unwrap();
    fs::write(&slice, &bytes[..bytes.len() / 2]).unwrap();
    fs::write(path.join("patient02/P02dicom/P02-0000.dcm"), "not DICOM at all").unwrap();
    let format = Format::DicomContours(dicom_contours::Options::default());
    let source = format.open(&path).unwrap();
    expect(source.warnings(), "P01-0000-icontour-manual.txt", "line 2 is not two numbers");
    expect(source.warnings(), "P01-0002-icontour-manual.txt", "all its 3 points lie outside");
    expect(source.warnings(), "P01-0005-icontour-manual.txt", "1 of its 3 points lie outside");
    expect(source.warnings(), "P02-0000.dcm", "not a readable DICOM file");
    // The truncated slice has a whole header; that its pixels are missing shows when they are read.
    assert_eq!(source.len(), 5);
    let mut ids = Vec::new();
    let warnings = source
        .read(|sample| {
            ids.push(sample.id);
            Ok(())
        })
        .unwrap();
    assert_eq!(ids, ["P01/P01-0005", "P02/P02-0002", "P02/P02-0005", "P02/P02-0007"]);
    expect(&warnings, "P01-0007.dcm", "left out");
}

#[test]
fn when_no_sample_can_be_read_it_is_an_error() {
    let (_folder, path) = hearts(Layout::Rvsc);
    for patient in ["1", "2"] {
        let slices = path.join(format!("patient0{patient}/P0{patient}dicom"));
        for entry in fs::read_dir(slices).unwrap() {
            let file = entry.unwrap().path();
            let bytes = fs::read(&file).unwrap();
            fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
        }
    }
    let source = Format::DicomContours(dicom_contours::Options::default()).open(&path).unwrap();
    expect_error(source.read(|_| Ok(())), &[".dcm", "none of the 8 samples could be read"]);
    fs::remove_dir_all(path.join("patient01")).unwrap();
    fs::remove_dir_all(path.join("patient02/P02contours-manual")).unwrap();
    let opened = DicomContours::open(&path, dicom_contours::Options::default());
    expect_error(opened, &["holds no DICOM slice with a contour", "P02contours-manual", "P02list.txt"]);
    expect_error(
        DicomContours::open(&path.join("nowhere"), Default::default()),
        &["nowhere", "cannot be read"],
    );
}

#[test]
fn a_linked_patient_without_files_and_files_without_a_link_are_named() {
    let (_folder, path) = hearts(Layout::Sunnybrook);
    let table = path.join("link.csv");
    fs::write(
        &table,
        "patient_id,original_id\r\nSCD0000101,SC-HF-I-1\r\nSCD0000901,SC-HF-I-9\r\nSCD0000501\r\n",
    )
    .unwrap();
    let source = open_hearts(&path);
    assert_eq!(source.len(), 4);
    expect(
        source.warnings(),
        "link.csv",
        "names patient SCD0000901 (SC-HF-I-9), of whom neither slices nor contours",
    );
    expect(source.warnings(), "link.csv", "line 4 has too few columns");
    expect(source.warnings(), "SCD0000201", "does not name");
    fs::write(&table, "a,b\n1,2\n").unwrap();
    expect_error(DicomContours::open(&path, Default::default()), &["link.csv", "no column \"patient_id\""]);
    fs::remove_file(&table).unwrap();
    expect_error(
        DicomContours::open(&path, Default::default()),
        &["no link.csv", "first line is patient_id,original_id"],
    );
}

#[test]
fn slices_that_do_not_tell_their_spacing_are_named() {
    let (_folder, path) = hearts(Layout::Sunnybrook);
    let slice = path.join("dicoms/SCD0000101/1.dcm");
    let mut object = dicom_object::open_file(&slice).unwrap();
    object.remove_element(dicom_dictionary_std::tags::PIXEL_SPACING);
    object.write_to_file(&slice).unwrap();
    let source = open_hearts(&path);
    expect(source.warnings(), "SCD0000101", "1 slices do not say how large a pixel is (PixelSpacing): 1.dcm");
    assert_eq!(source.sample(0).unwrap().spacing_mm, None);
    assert!(source.sample(1).unwrap().spacing_mm.is_some());
}

#[test]
fn slices_stored_with_dark_for_large_values_are_turned_bright() {
    let (_folder, path) = hearts(Layout::Sunnybrook);
    let image = || open_hearts(&path).sample(0).unwrap().image;
    let before = image();
    let slice = path.join("dicoms/SCD0000101/1.dcm");
    let mut object = dicom_object::open_file(&slice).unwrap();
    object.put_str(dicom_dictionary_std::tags::PHOTOMETRIC_INTERPRETATION, dicom_core::VR::CS, "MONOCHROME1");
    object.write_to_file(&slice).unwrap();
    assert_eq!(image(), 1.0 - before);
}

#[test]
fn padding_does_not_set_the_scale_of_a_slice() {
    use dicom_core::{DataElement, PrimitiveValue, VR};
    use dicom_dictionary_std::tags;
    let (_folder, path) = hearts(Layout::Sunnybrook);
    let slice = path.join("dicoms/SCD0000101/1.dcm");
    let mut object = dicom_object::open_file(&slice).unwrap();
    let bytes = object.element(tags::PIXEL_DATA).unwrap().to_bytes().unwrap();
    let mut values: Vec<u16> = bytes.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    let (low, high) = (*values[9..].iter().min().unwrap(), *values[9..].iter().max().unwrap());
    values[..9].fill(60_000);
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(values.clone().into())));
    object.put(DataElement::new(tags::PIXEL_PADDING_VALUE, VR::US, PrimitiveValue::from(60_000_u16)));
    object.write_to_file(&slice).unwrap();
    let read = || open_hearts(&path).sample(0).unwrap().image;
    let expected = |&value: &u16| match value {
        60_000 => 0.0,
        value => f32::from(value - low) / f32::from(high - low),
    };
    let is_near = |a: &f32, b: f32| (a - b).abs() < 1e-5;
    assert!(read().iter().zip(&values).all(|(a, value)| is_near(a, expected(value))));
    // Padding is dark in inverted slices, too.
    object.put_str(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME1");
    object.write_to_file(&slice).unwrap();
    assert!(read().iter().take(9).all(|&v| v == 0.0) && read().iter().any(|&v| v == 1.0));
}

#[test]
fn a_slice_with_rescale_slope_zero_is_left_out() {
    let (_folder, path) = hearts(Layout::Sunnybrook);
    let slice = path.join("dicoms/SCD0000101/1.dcm");
    let mut object = dicom_object::open_file(&slice).unwrap();
    object.put_str(dicom_dictionary_std::tags::RESCALE_SLOPE, dicom_core::VR::DS, "0");
    object.put_str(dicom_dictionary_std::tags::RESCALE_INTERCEPT, dicom_core::VR::DS, "0");
    object.write_to_file(&slice).unwrap();
    let before = open_hearts(&path);
    expect(before.warnings(), "1.dcm", "has RescaleSlope 0, which leaves nothing of its pixels");
}

// ---- labelme

struct Photographs {
    folder: TempDir,
}

impl Photographs {
    /// Holds a.jpg, 20 wide and 10 high.
    fn new() -> Self {
        let photographs = Self { folder: tempfile::tempdir().unwrap() };
        photographs.image("a.jpg");
        photographs
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn image(&self, name: &str) {
        RgbImage::from_pixel(20, 10, Rgb([90, 120, 200])).save(self.path().join(name)).unwrap();
    }

    fn json(&self, name: &str, content: &Value) {
        fs::write(self.path().join(name), content.to_string()).unwrap();
    }

    fn open(&self) -> Result<Labelme> {
        Labelme::open(self.path(), labelme::Options::default())
    }
}

fn shape(kind: &str, points: Value) -> Value {
    json!({"label": "x", "shape_type": kind, "points": points})
}

fn document(image: &str, shapes: &[Value]) -> Value {
    json!({"version": "5.2.1", "shapes": shapes, "imagePath": image, "imageData": null,
        "imageHeight": 10, "imageWidth": 20})
}

fn square() -> Value {
    shape("polygon", json!([[2, 3], [6, 3], [6, 5], [2, 5]]))
}

#[test]
fn shapes_of_every_kind_cover_what_they_should_and_lines_are_named() {
    let photographs = Photographs::new();
    let mut png = std::io::Cursor::new(Vec::new());
    GrayImage::from_fn(2, 2, |x, y| Luma([u8::from(x == y) * 255]))
        .write_to(&mut png, image::ImageFormat::Png)
        .unwrap();
    let mut mask = shape("mask", json!([[15, 7], [16, 8]]));
    mask["mask"] = json!(STANDARD.encode(png.get_ref()));
    let shapes = [
        square(),
        shape("rectangle", json!([[10, 2], [8, 0]])),
        shape("circle", json!([[15.5, 2.5], [16.6, 2.5]])),
        mask,
        // Smaller than a pixel: one pixel.
        shape("polygon", json!([[1.1, 8.1], [1.3, 8.1], [1.2, 8.3]])),
        shape("line", json!([[0, 0], [19, 9]])),
        shape("polygon", json!([[0, 0], [19, 9]])),
        json!({"label": "__ignore__", "points": [[0, 0], [20, 0], [20, 10], [0, 10]]}),
    ];
    photographs.json("a.json", &document("a.jpg", &shapes));
    let source = photographs.open().unwrap();
    expect(source.warnings(), "a.json", "shape 5 (\"x\") is a line, which has no area; left out");
    expect(source.warnings(), "a.json", "shape 6 (\"x\") is a polygon of 2 points; left out");
    let mask = source.sample(0).unwrap().mask.unwrap();
    let mut covered: Vec<(usize, usize)> =
        mask.indexed_iter().filter(|(_, class)| **class == 1).map(|(at, _)| at).collect();
    covered.sort_unstable();
    let mut wanted = vec![(0, 8), (0, 9), (1, 8), (1, 9), (1, 15), (2, 14), (2, 15), (2, 16), (3, 15)];
    wanted.extend([(3, 2), (3, 3), (3, 4), (3, 5), (4, 2), (4, 3), (4, 4), (4, 5), (7, 15), (8, 1), (8, 16)]);
    wanted.sort_unstable();
    assert_eq!(covered, wanted);
}

#[test]
fn polygons_of_all_versions_are_united() {
    let photographs = Photographs::new();
    // Before version 3.6 a shape had no type; before 4 the size of the image was not written down.
    let old = json!({"version": "2.9.1", "fillColor": [1, 2, 3, 4], "lineColor": [1, 2, 3, 4], "imagePath": "a.jpg",
        "imageData": null, "flags": {}, "shapes": [
            {"label": "x", "line_color": null, "fill_color": null, "points": [[2, 3], [6, 3], [6, 5], [2, 5]]},
            {"label": null, "points": [[4, 3], [8, 3], [8, 5], [4, 5]]}]});
    photographs.json("a.json", &old);
    let source = photographs.open().unwrap();
    assert_eq!(source.warnings(), &[]);
    let mask = source.sample(0).unwrap().mask.unwrap();
    assert_eq!(mask.iter().filter(|&&class| class == 1).count(), 12);
}

#[test]
fn classes_are_told_by_their_labels_and_the_later_shape_covers() {
    let photographs = Photographs::new();
    let labelled = |label: &str, left: i32| json!({"label": label, "points": [[left, 0], [left + 4, 0], [left + 4, 1], [left, 1]]});
    let shapes = [labelled("rock", 0), labelled("sand", 2), labelled("sky", 10)];
    photographs.json("a.json", &document("a.jpg", &shapes));
    let classes = vec!["sand".into(), "rock".into()];
    let source =
        Labelme::open(photographs.path(), labelme::Options { classes, ..Default::default() }).unwrap();
    expect(source.warnings(), "a.json", "no class of the configuration: sky");
    let mask = source.sample(0).unwrap().mask.unwrap();
    assert_eq!(mask.row(0).to_vec()[..8], [2, 2, 1, 1, 1, 1, 0, 0]);
}

#[test]
fn points_outside_the_image_are_cut_off_and_named() {
    let photographs = Photographs::new();
    let shapes = [shape("polygon", json!([[-30, 3], [6, 3], [6, 5], [-30, 5]]))];
    photographs.json("a.json", &document("a.jpg", &shapes));
    let source = photographs.open().unwrap();
    expect(source.warnings(), "a.json", "2 of 4 points lie outside the image of 10 x 20");
    assert_eq!(source.sample(0).unwrap().mask.unwrap().iter().filter(|&&class| class == 1).count(), 12);
}

#[test]
fn the_image_is_found_by_path_by_name_and_inside_the_file() {
    let photographs = Photographs::new();
    for folder in ["images", "labels"] {
        fs::create_dir(photographs.path().join(folder)).unwrap();
    }
    photographs.json("labels/a.json", &document("C:\\work\\images\\a.jpg", &[square()]));
    photographs.image("images/b.png");
    // The same name without its extension is not enough.
    photographs.json("labels/b.json", &document("renamed.jpg", &[square()]));
    let mut embedded = document("elsewhere.jpg", &[square()]);
    embedded["imageData"] = json!(STANDARD.encode(fs::read(photographs.path().join("a.jpg")).unwrap()));
    photographs.json("labels/c.json", &embedded);
    photographs.json("labels/d.json", &document("lost.jpg", &[square()]));
    embedded["imageData"] = json!("no base64!");
    photographs.json("labels/e.json", &embedded);
    let source = photographs.open().unwrap();
    let ids: Vec<String> = (0..source.len()).map(|i| source.sample(i).unwrap().id).collect();
    assert_eq!(ids, ["a", "c"]);
    expect(source.warnings(), photographs.path().to_str().unwrap(), "1 JSON files name an image");
    expect(source.warnings(), "b.json", "\"renamed.jpg\", which is not there");
    assert_eq!(source.sample(1).unwrap().image.dim(), (3, 10, 20));
    expect(source.warnings(), "d.json", "\"lost.jpg\", which is not there, and holds no image itself");
    expect(source.warnings(), "e.json", "not base64");
}

/// Writes an image whose pixels are all of one grey, and returns its path.
fn grey_image(photographs: &Photographs, name: &str, grey: u8) {
    let path = photographs.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    RgbImage::from_pixel(20, 10, Rgb([grey; 3])).save(path).unwrap();
}

/// Identifier and grey of each image.
fn greys(source: &Labelme) -> Vec<(String, u8)> {
    let sample = |i| source.sample(i).unwrap();
    let grey = |i| (sample(i).image[[0, 0, 0]] * 255.0).round() as u8;
    (0..source.len()).map(|i| (sample(i).id, grey(i))).collect()
}

#[test]
fn the_path_of_an_image_is_followed_from_the_json_file() {
    let photographs = Photographs::new();
    for (name, grey) in
        [("raw/7.png", 70), ("blurred/7.png", 10), ("p/images/s.png", 80), ("q/images/s.png", 90)]
    {
        grey_image(&photographs, name, grey);
    }
    for folder in ["p/labels", "q/labels"] {
        fs::create_dir(photographs.path().join(folder)).unwrap();
    }
    photographs.json("blurred/7.json", &document("../raw/7.png", &[square()]));
    photographs.json("p/labels/s.json", &document("..\\images\\s.png", &[square()]));
    photographs.json("q/labels/s.json", &document("../images/s.png", &[square()]));
    let source = photographs.open().unwrap();
    let found: Vec<u8> = greys(&source).into_iter().map(|(_, grey)| grey).collect();
    assert_eq!(found, [70, 80, 90]);
    assert_eq!(source.warnings().len(), 1, "{:#?}", source.warnings());
    expect(source.warnings(), photographs.path().to_str().unwrap(), "2 images have no annotation");
}

#[test]
fn a_drawing_never_moves_to_an_image_that_may_be_another() {
    let photographs = Photographs::new();
    for folder in ["lost", "twice", "again"] {
        fs::create_dir(photographs.path().join(folder)).unwrap();
    }
    // The image is gone; one of the same name has its own drawing.
    grey_image(&photographs, "kept/1.png", 10);
    photographs.json("kept/1.json", &document("1.png", &[square()]));
    photographs.json("lost/1.json", &document("1.png", &[square()]));
    // Two images have the name, and two drawings want one image.
    grey_image(&photographs, "x/2.png", 20);
    grey_image(&photographs, "y/2.png", 20);
    photographs.json("lost/2.json", &document("2.png", &[square()]));
    grey_image(&photographs, "x/3.png", 30);
    photographs.json("twice/3.json", &document("3.png", &[square()]));
    photographs.json("again/3.json", &document("3.png", &[square()]));
    // One image has the name: taken, with a warning.
    grey_image(&photographs, "x/4.png", 40);
    photographs.json("lost/4.json", &document("4.png", &[square()]));
    let source = photographs.open().unwrap();
    assert_eq!(greys(&source), [("1".to_owned(), 10), ("4".to_owned(), 40)]);
    expect(source.warnings(), "lost/1.json", "belongs to another JSON file");
    expect(source.warnings(), "lost/2.json", "several images elsewhere have that name");
    expect(source.warnings(), "twice/3.json", "which is not there");
    expect(source.warnings(), "again/3.json", "which is not there");
    expect(source.warnings(), photographs.path().to_str().unwrap(), "1 JSON files name an image");
}

#[test]
fn a_path_of_another_computer_means_the_image_beside_the_json_file() {
    let photographs = Photographs::new();
    for (folder, grey) in [("p", 10), ("q", 20)] {
        grey_image(&photographs, &format!("{folder}/1.png"), grey);
        photographs
            .json(&format!("{folder}/1.json"), &document(&format!("D:\\{folder}\\1.png"), &[square()]));
    }
    let source = photographs.open().unwrap();
    assert_eq!(greys(&source), [("p/1".to_owned(), 10), ("q/1".to_owned(), 20)]);
    expect(source.warnings(), photographs.path().to_str().unwrap(), "2 JSON files name an image");
}

#[test]
fn shapes_of_four_points_are_drawn() {
    for kind in ["rectangle", "oriented_rectangle", "rotation"] {
        let photographs = Photographs::new();
        photographs
            .json("a.json", &document("a.jpg", &[shape(kind, json!([[2, 3], [6, 3], [6, 5], [2, 5]]))]));
        let source = photographs.open().unwrap();
        assert_eq!(source.warnings(), &[]);
        assert_eq!(source.sample(0).unwrap().mask.unwrap().sum(), 8, "{kind}");
    }
}

#[test]
fn an_image_with_an_object_that_cannot_be_drawn_is_no_background() {
    let photographs = Photographs::new();
    photographs.json("a.json", &document("a.jpg", &[square()]));
    let three = json!([[2, 3], [6, 3], [6, 5]]);
    let only_lines = [shape("line", json!([[0, 0], [9, 9]])), shape("point", json!([[3, 3]]))];
    let objects = [
        vec![square(), shape("rectangle", three.clone())],
        vec![square(), shape("ellipse", three)],
        only_lines.into(),
    ];
    for (name, shapes) in ["b", "c", "d"].into_iter().zip(objects) {
        photographs.image(&format!("{name}.jpg"));
        photographs.json(&format!("{name}.json"), &document(&format!("{name}.jpg"), &shapes));
    }
    let source = photographs.open().unwrap();
    assert_eq!(source.len(), 1);
    expect(source.warnings(), "b.json", "is a rectangle of 3 points and cannot be drawn");
    expect(source.warnings(), "c.json", "is a ellipse of 3 points and cannot be drawn");
    expect(source.warnings(), "d.json", "none of its 2 shapes has an area");
}

#[test]
fn images_that_differ_in_their_extension_have_names_of_their_own() {
    let photographs = Photographs::new();
    photographs.image("a.png");
    photographs.json("a.json", &document("a.jpg", &[square()]));
    photographs.json("b.json", &document("a.png", &[square()]));
    let source = photographs.open().unwrap();
    let ids: Vec<String> = (0..2).map(|i| source.sample(i).unwrap().id).collect();
    assert_eq!(ids, ["a.jpg", "a.png"]);
}

#[cfg(unix)]
#[test]
fn linked_folders_are_read_once_and_cycles_end() {
    let photographs = Photographs::new();
    photographs.json("a.json", &document("a.jpg", &[square()]));
    let elsewhere = Photographs::new();
    fs::rename(elsewhere.path().join("a.jpg"), elsewhere.path().join("b.jpg")).unwrap();
    elsewhere.json("b.json", &document("b.jpg", &[square()]));
    let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, photographs.path().join(name)).unwrap();
    link(elsewhere.path(), "linked");
    link(elsewhere.path(), "linked-again");
    link(photographs.path(), "cycle");
    link(photographs.path().parent().unwrap(), "upwards");
    let source = photographs.open().unwrap();
    let ids: Vec<String> = (0..source.len()).map(|i| source.sample(i).unwrap().id).collect();
    assert_eq!(ids, ["a", "b"]);
}

#[test]
fn a_photograph_with_a_film_behind_it_is_read() {
    let photographs = Photographs::new();
    let film = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases/photographs/motion.jpg");
    fs::copy(film, photographs.path().join("motion.jpg")).unwrap();
    let mut document = document("motion.jpg", &[square()]);
    (document["imageHeight"], document["imageWidth"]) = (json!(60), json!(80));
    photographs.json("motion.json", &document);
    assert_eq!(photographs.open().unwrap().sample(0).unwrap().image.dim(), (3, 60, 80));
}

#[test]
fn damaged_and_foreign_files_leave_the_others() {
    let photographs = Photographs::new();
    for name in ["b.jpg", "c.jpg", "d.jpg"] {
        photographs.image(name);
    }
    photographs.json("a.json", &document("a.jpg", &[square()]));
    fs::write(photographs.path().join("b.json"), "{\"shapes\": [").unwrap();
    photographs.json("list.json", &json!([{"filename": "a"}]));
    let mut larger = document("c.jpg", &[square()]);
    larger["imageWidth"] = json!(40);
    photographs.json("c.json", &larger);
    photographs.json("d.json", &document("d.jpg", &[]));
    photographs.json("d-again.json", &document("d.jpg", &[square()]));
    let source = photographs.open().unwrap();
    let ids: Vec<String> = (0..source.len()).map(|i| source.sample(i).unwrap().id).collect();
    assert_eq!(ids, ["a", "d"]);
    expect(source.warnings(), "b.json", "is not a labelme file");
    expect(source.warnings(), "list.json", "is not a labelme file");
    expect(source.warnings(), "c.json", "was drawn on an image of 10 x 40");
    expect(source.warnings(), "d.json", "annotates");
    expect(
        source.warnings(),
        photographs.path().to_str().unwrap(),
        "2 images have no annotation that can be used: b.jpg, c.jpg",
    );
    let keep =
        labelme::Options { unlabelled: Unlabelled::Keep, grouping: Grouping::Folder, ..Default::default() };
    let source = Labelme::open(photographs.path(), keep).unwrap();
    assert_eq!(source.len(), 4);
    assert!((0..4).all(|i| source.sample(i).unwrap().group.is_empty()));
}

#[test]
fn a_folder_without_annotations_is_refused() {
    let photographs = Photographs::new();
    expect_error(photographs.open(), &["holds no image with a labelme JSON file", "a.jpg"]);
}

// ---- TIFF

fn scenes(training: usize) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ice");
    Study::SeaIce(SeaIceConfig { training, test: 0 }).write(&path, 1).unwrap();
    (folder, path)
}

fn write_grey(path: &Path, side: u32, values: &[u8]) {
    let mut encoder = TiffEncoder::new(fs::File::create(path).unwrap()).unwrap();
    encoder.write_image::<colortype::Gray8>(side, side, values).unwrap();
}

#[test]
fn scenes_with_something_wrong_leave_the_others() {
    let (_folder, path) = scenes(7);
    let file = |name: &str| path.join("train").join(name);
    fs::remove_file(file("00000_SAR.tif")).unwrap();
    fs::remove_file(file("00001_REF.tif")).unwrap();
    write_grey(&file("00002_REF.tif"), 240, &[128; 240 * 240]);
    let mut encoder = TiffEncoder::new(fs::File::create(file("00003_REF.tif")).unwrap()).unwrap();
    encoder.write_image::<colortype::Gray8>(240, 200, &[0; 240 * 200]).unwrap();
    let mut encoder = TiffEncoder::new(fs::File::create(file("00004_SAR.tif")).unwrap()).unwrap();
    encoder.write_image::<colortype::Gray32Float>(2, 2, &[1.0, f32::NAN, 0.0, 2.0]).unwrap();
    fs::write(file("00005_VIS.tif"), b"II*\0garbage").unwrap();
    write_grey(&file("overview.tif"), 2, &[0; 4]);
    write_grey(&file("00006_vis.tiff"), 240, &[0; 240 * 240]);
    let source = Format::TiffTriples(tiff_triples::Options::default()).open(&path).unwrap();
    expect(source.warnings(), "00000_VIS.tif", "scene train/00000 has no SAR");
    expect(source.warnings(), "ice", "1 scenes have no REF: train/00001");
    expect(
        source.warnings(),
        "00003_REF.tif",
        "is 200 x 240 (height x width), which does not fit 00003_VIS.tif",
    );
    expect(source.warnings(), "00005_VIS.tif", "damaged TIFF");
    expect(source.warnings(), "ice", "named after none of vis, sar, ref: overview.tif");
    expect(source.warnings(), "00006_vis.tiff", "is a second vis");
    let mut ids = Vec::new();
    let warnings = source
        .read(|sample| {
            ids.push(sample.id);
            Ok(())
        })
        .unwrap();
    assert_eq!(ids, ["train/00006"]);
    expect(&warnings, "00002_REF.tif", "mask that holds 128");
    expect(&warnings, "00004_SAR.tif", "not numbers");
}

#[test]
fn masks_of_classes_of_colours_and_in_16_bits() {
    let (_folder, path) = scenes(1);
    let mask = path.join("train/00000_REF.tif");
    let read = || TiffTriples::open(&path, tiff_triples::Options::default()).unwrap().sample(0);
    let mut classes = [3_u16; 240 * 240];
    classes[0] = 1;
    let mut encoder = TiffEncoder::new(fs::File::create(&mask).unwrap()).unwrap();
    encoder.write_image::<colortype::Gray16>(240, 240, &classes).unwrap();
    let read_mask = read().unwrap().mask.unwrap();
    assert_eq!((read_mask[[0, 0]], read_mask[[5, 5]]), (1, 3));
    let mut white = [0_u16; 240 * 240];
    white[0] = 65_535;
    let mut encoder = TiffEncoder::new(fs::File::create(&mask).unwrap()).unwrap();
    encoder.write_image::<colortype::Gray16>(240, 240, &white).unwrap();
    let read_mask = read().unwrap().mask.unwrap();
    assert_eq!((read_mask[[0, 0]], read_mask[[5, 5]]), (1, 0));
    let mut encoder = TiffEncoder::new(fs::File::create(&mask).unwrap()).unwrap();
    encoder.write_image::<colortype::RGB8>(240, 240, &[0, 0, 255].repeat(240 * 240)).unwrap();
    expect_error(read(), &["00000_REF.tif", "mask in colours"]);
    fs::remove_file(&mask).unwrap();
    let png = mask.with_extension("png");
    image::ImageBuffer::from_fn(240, 240, |x, _| Luma([u16::from(x > 9) * 4])).save(&png).unwrap();
    let read_mask = read().unwrap().mask.unwrap();
    assert_eq!((read_mask[[0, 9]], read_mask[[0, 10]]), (0, 4));
    fs::remove_dir_all(path.join("train")).unwrap();
    expect_error(
        TiffTriples::open(&path, Default::default()),
        &["holds no scene with files for vis, sar, ref"],
    );
}

/// Copies one scene of `tests/cases` into a folder.
fn case(scene: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for role in ["VIS", "SAR", "REF"] {
        let name = format!("{scene}_{role}.tif");
        let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases/triples").join(&name);
        fs::copy(case, folder.path().join(name)).unwrap();
    }
    folder
}

#[test]
fn planar_tiles_that_reach_below_the_image_do_not_panic() {
    let folder = case("planar");
    let source = TiffTriples::open(folder.path(), tiff_triples::Options::default()).unwrap();
    assert_eq!(source.sample(0).unwrap().image.dim(), (4, 48, 64));
}

#[test]
fn fill_values_of_a_file_or_of_the_options_do_not_set_the_scale() {
    let folder = case("nodata");
    let levels = |fill_value| {
        let options = tiff_triples::Options { fill_value, ..Default::default() };
        let image = TiffTriples::open(folder.path(), options).unwrap().sample(0).unwrap().image;
        let radar = image.index_axis(ndarray::Axis(0), 3).to_owned();
        let mut levels: Vec<u8> = radar.iter().map(|v| (v * 255.0).round() as u8).collect();
        levels.sort_unstable();
        levels.dedup();
        levels.len()
    };
    assert!(levels(None) > 150, "{}", levels(None));
    let radar = folder.path().join("nodata_SAR.tif");
    let bytes = fs::read(&radar).unwrap();
    // The tag GDAL_NODATA (42113) becomes one that nobody knows.
    let tag = bytes.windows(2).position(|pair| pair == 42113_u16.to_le_bytes()).unwrap();
    let mut without = bytes.clone();
    without[tag..tag + 2].copy_from_slice(&65000_u16.to_le_bytes());
    fs::write(&radar, without).unwrap();
    assert!(levels(None) < 10, "{}", levels(None));
    assert!(levels(Some(-9999.0)) > 150, "{}", levels(Some(-9999.0)));
}

#[test]
fn masks_whose_classes_are_in_doubt_are_refused() {
    let folder = case("planar");
    let mask = folder.path().join("planar_REF.tif");
    let read = || TiffTriples::open(folder.path(), tiff_triples::Options::default()).unwrap().sample(0);
    let booleans = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases/domains/bool.tif");
    fs::copy(booleans, &mask).unwrap();
    expect_error(read(), &["planar_REF.tif", "0 is white (WhiteIsZero"]);
    let mut encoder = TiffEncoder::new(fs::File::create(&mask).unwrap()).unwrap();
    let mut image = encoder.new_image::<colortype::Gray8>(64, 48).unwrap();
    image.encoder().write_tag(tiff::tags::Tag::GdalNodata, "255").unwrap();
    image.write_data(&[[0; 32], [255; 32]].concat().repeat(48)).unwrap();
    expect_error(read(), &["planar_REF.tif", "1536 pixels have no class"]);
}

#[test]
fn scenes_with_several_pages_are_left_out() {
    let folder = case("planar");
    let stack = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases/domains/stack3.tif");
    fs::copy(stack, folder.path().join("planar_SAR.tif")).unwrap();
    let opened = TiffTriples::open(folder.path(), tiff_triples::Options::default());
    expect_error(opened, &["planar_SAR.tif", "has 3 pages, expected one"]);
}
