//! Export of masks to other programs: PNG and labelme JSON.

mod contour;
mod labelme;
mod png;

pub use contour::polygons;
pub use labelme::labelme_json;
pub use png::mask_png;
