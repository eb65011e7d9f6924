//! The folder that `porecast predict` makes.

use std::path::PathBuf;

/// Paths of the files of a prediction.
#[derive(Debug, Clone)]
pub struct PredictionFolder {
    path: PathBuf,
}

impl PredictionFolder {
    /// Names a folder without reading or creating it.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Predicted sequences, or masks of a dataset.
    pub fn predictions_path(&self) -> PathBuf {
        self.path.join("predictions.h5")
    }

    /// Saturation at each time.
    pub fn saturation_path(&self) -> PathBuf {
        self.path.join("saturation.csv")
    }

    /// What was said of the prediction: physics, warnings, saturation and breakthrough; a line each.
    pub fn notes_path(&self) -> PathBuf {
        self.path.join("notes.txt")
    }

    /// The sequence as an animation.
    pub fn animation_path(&self) -> PathBuf {
        self.path.join("animation.gif")
    }

    /// A frame as a picture, counted from zero.
    pub fn frame_path(&self, frame: usize) -> PathBuf {
        self.path.join("frames").join(format!("frame-{frame:03}.png"))
    }

    /// List of the masks of images.
    pub fn masks_path(&self) -> PathBuf {
        self.path.join("masks.json")
    }

    /// The mask of an image; its polygons are beside it as JSON.
    pub fn mask_path(&self, name: &str) -> PathBuf {
        self.path.join("masks").join(format!("{name}.png"))
    }

    /// An image with the outlines of its mask.
    pub fn overlay_path(&self, name: &str) -> PathBuf {
        self.path.join("overlays").join(format!("{name}.png"))
    }

    /// Overlays of the first images.
    pub fn sheet_path(&self) -> PathBuf {
        self.path.join("sheet.png")
    }

    /// The page.
    pub fn report_path(&self) -> PathBuf {
        self.path.join("report.html")
    }
}
