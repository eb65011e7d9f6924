//! Photographs annotated with labelme (JSON files of any version).
//!
//! Image and JSON file may be in the same folder or in separate ones:
//!
//! ```text
//! Train_Images/00000446.jpg
//! Train_Annotations/00000446.json      {"version", "shapes": [{"label", "points", ...}], "imagePath", "imageData", ...}
//! ```
//!
//! `imagePath` is relative to the JSON file. If there is no such image, the image inside the JSON file is taken, or
//! else, with a warning, the only image of that name.
//!
//! The origin of coordinates is the upper left corner of the image, so the centre of the first pixel is (0.5,
//! 0.5).

mod image_search;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ndarray::Array2;
use schemars::JsonSchema;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use image_search::Images;

use super::{Grouping, Unlabelled, folder, nothing_usable, photograph};
use crate::annotated::AnnotatedImage;
use crate::polygon::{self, Point};
use crate::warning::Warning;
use porecast_base::{Error, Result};

const FIRST_CENTRE: f64 = 0.5;

/// Options for reading photographs and annotations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Labels of classes 1, 2, ...; later shapes cover earlier ones. If empty, all shapes together are class
    /// 1.
    pub classes: Vec<String>,
    /// Labels of shapes to skip.
    pub ignored: Vec<String>,
    /// Handling of images without a JSON file.
    pub unlabelled: Unlabelled,
    /// Groups that a split must not divide.
    pub grouping: Grouping,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            classes: Vec::new(),
            ignored: vec!["__ignore__".into()],
            unlabelled: Unlabelled::default(),
            grouping: Grouping::default(),
        }
    }
}

/// Photographs and their annotations.
#[derive(Debug)]
pub struct Labelme {
    photographs: Vec<Photograph>,
    warnings: Vec<Warning>,
}

#[derive(Debug)]
struct Photograph {
    id: String,
    group: String,
    pixels: Pixels,
    /// `None` if there is no JSON file.
    shapes: Option<Drawing>,
}

/// Shapes and their classes; later shapes cover earlier ones.
type Drawing = Vec<(Geometry, u8)>;

/// Where the pixels of an image are stored.
#[derive(Debug)]
enum Pixels {
    File(PathBuf),
    /// In the JSON file, as base64.
    Embedded(PathBuf),
}

#[derive(Debug)]
enum Geometry {
    Polygon(Vec<Point>),
    Circle {
        centre: Point,
        radius: f64,
    },
    /// Pixel mask of a rectangle whose upper left pixel is (row, column).
    Bitmap {
        corner: (i64, i64),
        pixels: Array2<bool>,
    },
}

/// The fields of a JSON file without the embedded image.
#[derive(Deserialize)]
struct Document {
    shapes: Vec<Shape>,
    #[serde(rename = "imagePath")]
    image_path: Option<String>,
    #[serde(rename = "imageData")]
    image_data: Option<IgnoredAny>,
    #[serde(rename = "imageHeight")]
    height: Option<usize>,
    #[serde(rename = "imageWidth")]
    width: Option<usize>,
}

#[derive(Deserialize)]
struct Shape {
    label: Option<String>,
    points: Vec<Point>,
    /// Versions before 3.6 had only polygons.
    shape_type: Option<String>,
    /// A PNG image as base64.
    mask: Option<String>,
}

#[derive(Deserialize)]
struct Embedded {
    #[serde(rename = "imageData")]
    image_data: Option<String>,
}

impl Labelme {
    /// Reads the JSON files below `path` and finds the image of each.
    ///
    /// # Errors
    /// If the folder cannot be read or contains no usable image.
    pub fn open(path: &Path, options: Options) -> Result<Self> {
        let files = folder::files_below(path)?;
        let images: Vec<&PathBuf> = files
            .iter()
            .filter(|f| matches!(folder::extension(f).as_str(), "jpg" | "jpeg" | "png"))
            .collect();
        let mut warnings = Vec::new();
        let mut found: Vec<(Pixels, Option<Drawing>)> = Vec::new();
        let mut annotated: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
        let mut documents = Vec::new();
        for json in files.iter().filter(|file| folder::extension(file) == "json") {
            match parse::<Document>(json) {
                Ok(document) => documents.push((json.as_path(), document)),
                Err(error) => warnings.push(error.into()),
            }
        }
        let search = Images::new(&images);
        let located = search.locate(&documents);
        warnings.extend(located.warning(path));
        // Images that JSON files hold themselves.
        let mut held: BTreeSet<&PathBuf> = BTreeSet::new();
        for ((json, document), place) in documents.iter().zip(located.places) {
            let annotation = place.and_then(|pixels| {
                let shapes = read_shapes(json, document, &pixels, &options, &mut warnings)?;
                Ok((pixels, shapes))
            });
            match annotation {
                Ok((pixels, shapes)) => {
                    if let Pixels::File(image) = &pixels
                        && let Some(first) = annotated.insert(image.clone(), json.to_path_buf())
                    {
                        let what =
                            format!("annotates {} as {} does; left out", image.display(), first.display());
                        warnings.push(Warning::new(json, what));
                        annotated.insert(image.clone(), first);
                        continue;
                    }
                    if let (Pixels::Embedded(_), [image]) = (&pixels, search.with_name(document)) {
                        held.insert(image);
                    }
                    found.push((pixels, Some(shapes)));
                }
                Err(error) => warnings.push(error.into()),
            }
        }
        let bare: Vec<&PathBuf> = images
            .into_iter()
            .filter(|&image| !annotated.contains_key(image) && !held.contains(image))
            .collect();
        match options.unlabelled {
            Unlabelled::Keep => {
                found.extend(bare.into_iter().map(|image| (Pixels::File(image.clone()), None)));
            }
            Unlabelled::LeaveOut if !bare.is_empty() => {
                let names: Vec<String> = bare.iter().map(|image| folder::name(image)).collect();
                let what = format!(
                    "{} images have no annotation that can be used: {}; left out",
                    names.len(),
                    folder::some_of(&names)
                );
                warnings.push(Warning::new(path, what));
            }
            Unlabelled::LeaveOut => {}
        }
        if found.is_empty() {
            return Err(nothing_usable(path, "image with a labelme JSON file", &warnings));
        }
        Ok(Self { photographs: name_all(path, found, options.grouping), warnings })
    }

    /// Warnings from opening.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Number of images.
    #[expect(clippy::len_without_is_empty, reason = "an empty source is refused when it is opened")]
    pub fn len(&self) -> usize {
        self.photographs.len()
    }

    /// Reads one image and draws its shapes.
    ///
    /// # Errors
    /// If the image is damaged.
    ///
    /// # Panics
    /// When `index` is not below [`len`](Self::len).
    pub fn sample(&self, index: usize) -> Result<AnnotatedImage> {
        let photograph = &self.photographs[index];
        let image = match &photograph.pixels {
            Pixels::File(path) => photograph::read(path)?,
            Pixels::Embedded(json) => photograph::read_in(&embedded(json)?, json)?,
        };
        let (_, height, width) = image.dim();
        let mask = photograph.shapes.as_ref().map(|shapes| {
            let mut mask = Array2::zeros((height, width));
            for (geometry, class) in shapes {
                draw(&mut mask, geometry, *class);
            }
            mask
        });
        Ok(AnnotatedImage {
            id: photograph.id.clone(),
            group: photograph.group.clone(),
            image,
            mask,
            original_shape: (height, width),
            spacing_mm: None,
        })
    }
}

/// Names each image after its file; images with the same name after their path below `root`, and with the
/// extension if they differ in nothing else.
fn name_all(root: &Path, found: Vec<(Pixels, Option<Drawing>)>, grouping: Grouping) -> Vec<Photograph> {
    let slashes = |path: &Path| path.to_string_lossy().replace('\\', "/");
    let below = |pixels: &Pixels| pixels.path().strip_prefix(root).unwrap_or(pixels.path()).to_owned();
    let names = |pixels: &Pixels| {
        let below = below(pixels);
        [folder::stem(pixels.path()), slashes(&below.with_extension("")), slashes(&below)]
    };
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    for (pixels, _) in &found {
        let [stem, path, _] = names(pixels);
        *uses.entry(path.clone()).or_default() += 1;
        if stem != path {
            *uses.entry(stem).or_default() += 1;
        }
    }
    let mut photographs: Vec<Photograph> = found
        .into_iter()
        .map(|(pixels, shapes)| {
            let [stem, path, file] = names(&pixels);
            let id = [stem, path].into_iter().find(|name| uses[name] == 1).unwrap_or(file);
            let group = match grouping {
                Grouping::Image => id.clone(),
                Grouping::Folder => below(&pixels).parent().map(slashes).unwrap_or_default(),
            };
            Photograph { id, group, pixels, shapes }
        })
        .collect();
    photographs.sort_by(|a, b| a.id.cmp(&b.id));
    photographs
}

impl Pixels {
    fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Embedded(path) => path,
        }
    }
}

fn embedded(json: &Path) -> Result<Vec<u8>> {
    let Embedded { image_data } = parse(json)?;
    let text = image_data.ok_or_else(|| Error::input(json, "holds no image data"))?;
    decode_base64(&text, json, "imageData")
}

fn decode_base64(text: &str, json: &Path, what: &str) -> Result<Vec<u8>> {
    let compact: String = text.split_whitespace().collect();
    STANDARD.decode(compact).map_err(|e| Error::input(json, format!("{what} is not base64: {e}")))
}

fn parse<T: for<'a> Deserialize<'a>>(json: &Path) -> Result<T> {
    let bytes = std::fs::read(json).map_err(|e| Error::input(json, format!("cannot be read: {e}")))?;
    serde_json::from_slice(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes))
        .map_err(|e| Error::input(json, format!("is not a labelme file: {e}")))
}

/// Reads the shapes of a JSON file.
///
/// # Errors
/// If the image is damaged or has another size, or a shape cannot be drawn: without it, the object would be taken
/// for background.
fn read_shapes(
    json: &Path,
    document: &Document,
    pixels: &Pixels,
    options: &Options,
    warnings: &mut Vec<Warning>,
) -> Result<Drawing> {
    let (height, width) = match pixels {
        Pixels::File(path) => photograph::shape(path)?,
        Pixels::Embedded(json) => photograph::shape_in(&embedded(json)?, json)?,
    };
    if document.height.is_some_and(|h| h != height) || document.width.is_some_and(|w| w != width) {
        let what = format!(
            "was drawn on an image of {} x {} (height x width), but {} is {height} x {width}",
            document.height.map_or("?".into(), |h| h.to_string()),
            document.width.map_or("?".into(), |w| w.to_string()),
            pixels.path().display()
        );
        return Err(Error::input(json, what));
    }
    let mut shapes = Vec::new();
    let mut unknown_labels = Vec::new();
    let mut without_area = 0;
    for (number, shape) in document.shapes.iter().enumerate() {
        let label = shape.label.as_deref().unwrap_or_default();
        if options.ignored.iter().any(|ignored| ignored == label) {
            continue;
        }
        let class = match options.classes.iter().position(|class| class == label) {
            _ if options.classes.is_empty() => 1,
            Some(position) => u8::try_from(position + 1).unwrap_or(u8::MAX),
            None => {
                unknown_labels.push(label.to_owned());
                continue;
            }
        };
        match geometry(shape, json) {
            Ok(geometry) => {
                if let Some(what) = outside(&shape.points, (height, width)) {
                    warnings.push(Warning::new(json, format!("shape {number} ({label:?}): {what}")));
                }
                shapes.push((geometry, class));
            }
            Err(what) if shape.has_no_area() => {
                without_area += 1;
                warnings.push(Warning::new(json, format!("shape {number} ({label:?}) {what}; left out")));
            }
            Err(what) => {
                let what = format!(
                    "shape {number} ({label:?}) {what} and cannot be drawn; draw it as a polygon, or add its label to \
                     `ignored`"
                );
                return Err(Error::input(json, what));
            }
        }
    }
    if shapes.is_empty() && without_area > 0 {
        let what = format!(
            "none of its {without_area} shapes has an area; draw polygons, or add their labels to `ignored`"
        );
        return Err(Error::input(json, what));
    }
    if !unknown_labels.is_empty() {
        unknown_labels.sort();
        unknown_labels.dedup();
        let what = format!(
            "has shapes of no class of the configuration: {}; left out",
            folder::some_of(&unknown_labels)
        );
        warnings.push(Warning::new(json, what));
    }
    if shapes.is_empty() {
        warnings.push(Warning::new(json, "has no shape to draw; its mask is empty"));
    }
    Ok(shapes)
}

impl Shape {
    fn kind(&self) -> &str {
        self.shape_type.as_deref().unwrap_or("polygon")
    }

    /// Whether the shape is a mark rather than an object.
    fn has_no_area(&self) -> bool {
        match self.kind() {
            "line" | "linestrip" | "point" | "points" => true,
            kind => kind == "polygon" && self.points.len() < 3,
        }
    }
}

/// A warning about points more than half a pixel outside the image.
fn outside(points: &[Point], (height, width): (usize, usize)) -> Option<String> {
    let within = |v: f64, count: usize| (-0.5..=count as f64 + 0.5).contains(&v);
    let count = points.iter().filter(|[x, y]| !within(*x, width) || !within(*y, height)).count();
    (count > 0).then(|| {
        format!(
            "{count} of {} points lie outside the image of {height} x {width}; cut off at the edge",
            points.len()
        )
    })
}

/// The geometry of a shape, or the reason why it covers nothing.
fn geometry(shape: &Shape, json: &Path) -> std::result::Result<Geometry, String> {
    let kind = shape.kind();
    if shape.points.iter().flatten().any(|v| !v.is_finite()) {
        return Err("has points that are not numbers".into());
    }
    match (kind, &shape.points[..]) {
        ("polygon", points) if points.len() >= 3 => Ok(Geometry::Polygon(points.to_vec())),
        ("polygon", points) => Err(format!("is a polygon of {} points", points.len())),
        ("rectangle", &[[x0, y0], [x1, y1]]) => {
            Ok(Geometry::Polygon(vec![[x0, y0], [x1, y0], [x1, y1], [x0, y1]]))
        }
        ("rectangle" | "oriented_rectangle" | "rotation", points) if points.len() == 4 => {
            Ok(Geometry::Polygon(points.to_vec()))
        }
        ("circle", &[centre, edge]) => {
            Ok(Geometry::Circle { centre, radius: (edge[0] - centre[0]).hypot(edge[1] - centre[1]) })
        }
        ("mask", &[[x, y], ..]) => {
            let text = shape.mask.as_deref().ok_or("is a mask without pixels")?;
            let image = decode_base64(text, json, "a mask")
                .and_then(|bytes| photograph::grey_in(&bytes, json))
                .map_err(|error| error.what().to_owned())?;
            let shape = (image.height() as usize, image.width() as usize);
            let pixels = Array2::from_shape_vec(shape, image.into_raw().into_iter().map(|v| v > 0).collect())
                .expect("an image has height x width pixels");
            Ok(Geometry::Bitmap { corner: (y.round() as i64, x.round() as i64), pixels })
        }
        ("line" | "linestrip" | "point" | "points", _) => Err(format!("is a {kind}, which has no area")),
        (kind, points) => Err(format!("is a {kind} of {} points", points.len())),
    }
}

fn draw(mask: &mut Array2<u8>, geometry: &Geometry, class: u8) {
    match geometry {
        Geometry::Polygon(points) => {
            // An object smaller than a pixel becomes one pixel, for example a single click of an annotator.
            if polygon::fill(mask, points, FIRST_CENTRE, class) == 0 {
                let [x, y] = polygon::centroid(points);
                set(mask, y.floor() as i64, x.floor() as i64, class);
            }
        }
        Geometry::Circle { centre: [x, y], radius } => {
            for ((row, column), value) in mask.indexed_iter_mut() {
                if (column as f64 + FIRST_CENTRE - x).hypot(row as f64 + FIRST_CENTRE - y) <= *radius {
                    *value = class;
                }
            }
        }
        Geometry::Bitmap { corner: (top, left), pixels } => {
            for ((row, column), _) in pixels.indexed_iter().filter(|(_, is_set)| **is_set) {
                set(mask, top.saturating_add(row as i64), left.saturating_add(column as i64), class);
            }
        }
    }
}

/// Sets a pixel if it lies inside the image.
fn set(mask: &mut Array2<u8>, row: i64, column: i64, class: u8) {
    let (Ok(row), Ok(column)) = (usize::try_from(row), usize::try_from(column)) else { return };
    if let Some(value) = mask.get_mut((row, column)) {
        *value = class;
    }
}
