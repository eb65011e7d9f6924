//! Contour text files: one vertex `x y` per line, in pixel coordinates that start at one.

use std::path::Path;

use crate::polygon::Point;
use porecast_base::{Error, Result};

/// Coordinate of the centre of the first pixel.
///
/// Determined from the 74 inner contours of the Sunnybrook excerpt: the gradient across the contour is
/// steepest if one pixel is subtracted from both coordinates.
pub const FIRST_CENTRE: f64 = 1.0;

/// The two contours of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `icontour`: the inner wall, around the cavity.
    Inner,
    /// `ocontour`: the outer wall, around cavity and muscle.
    Outer,
}

impl Kind {
    /// Name used in file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Inner => "icontour",
            Self::Outer => "ocontour",
        }
    }
}

/// Slice number and kind from a name like `P09-0020-icontour-manual.txt`; `None` for other names.
pub fn of_name(name: &str) -> Option<(u32, Kind)> {
    let mut parts = name.strip_suffix("-manual.txt")?.rsplit('-');
    let kind = match parts.next()? {
        "icontour" => Kind::Inner,
        "ocontour" => Kind::Outer,
        _ => return None,
    };
    Some((parts.next()?.parse().ok()?, kind))
}

/// Reads the vertices.
///
/// # Errors
/// The file cannot be read, has a line that is not two numbers, or fewer than three vertices.
pub fn read(path: &Path) -> Result<Vec<Point>> {
    let text =
        std::fs::read_to_string(path).map_err(|e| Error::input(path, format!("cannot be read: {e}")))?;
    let mut points = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let mut values = line.split([' ', '\t', ',']).filter(|v| !v.is_empty()).map(str::parse::<f64>);
        match (values.next(), values.next(), values.next()) {
            (None, ..) => {}
            (Some(Ok(x)), Some(Ok(y)), None) if x.is_finite() && y.is_finite() => points.push([x, y]),
            _ => {
                let what = format!("line {} is not two numbers: {:?}", number + 1, line.trim());
                return Err(Error::input(path, what));
            }
        }
    }
    match points.len() {
        0..3 => Err(Error::input(path, format!("has {} points, a contour needs three", points.len()))),
        _ => Ok(points),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_both_layouts_tell_slice_and_kind() {
        assert_eq!(of_name("P09-0020-icontour-manual.txt"), Some((20, Kind::Inner)));
        assert_eq!(of_name("IM-0001-0140-ocontour-manual.txt"), Some((140, Kind::Outer)));
        assert_eq!(of_name("P09-0020-icontour-auto.txt"), None);
        assert_eq!(of_name("P09list.txt"), None);
    }

    #[test]
    fn a_contour_is_two_numbers_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.txt");
        let read_text = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read(&path).map_err(|e| e.to_string())
        };
        assert_eq!(read_text("1 2\r\n3.5\t4\n\n5 6 \n").unwrap(), [[1.0, 2.0], [3.5, 4.0], [5.0, 6.0]]);
        assert!(
            read_text("1 2\n3\n4 5\n6 7").unwrap_err().contains("c.txt: line 2 is not two numbers: \"3\"")
        );
        assert!(read_text("1 2\n3 nan\n4 5").unwrap_err().contains("line 2"));
        assert!(read_text("1 2\n").unwrap_err().contains("has 1 points"));
        assert!(read_text("").unwrap_err().contains("has 0 points"));
    }
}
