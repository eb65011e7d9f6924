//! Dimension scales: columns of a file that name the axes of its datasets, as netCDF, xarray and h5py expect.
//!
//! A scale has the attributes `CLASS`, `NAME` and `REFERENCE_LIST` (who uses it), a dataset `DIMENSION_LIST` (its scales).

use std::collections::BTreeMap;

use hdf5::types::{FixedAscii, VarLenArray};
use hdf5::{Datatype, H5Type, Location, ObjectReference1};
use hdf5_sys::h5t::{H5T_str_t, H5Tset_strpad};

use super::H5Writer;
use porecast_base::Result;

/// Name of a dataset, and of the column that names each of its axes.
pub(crate) type Axes = (&'static str, &'static [&'static str]);

/// An axis of a dataset: a row of `REFERENCE_LIST`.
#[derive(Clone, Copy, H5Type)]
#[repr(C)]
struct Use {
    dataset: ObjectReference1,
    dimension: i32,
}

impl H5Writer {
    /// Writes the scales `frame`, `y` and `x`: frame numbers, and distances of the pixels' centres from the corner, in
    /// metres, or in pixels if their size is not known.
    pub(crate) fn grid(
        &self,
        (frames, height, width): (usize, usize, usize),
        voxel_size_m: f64,
    ) -> Result<()> {
        self.counting("frame", frames)?;
        let is_known = voxel_size_m.is_finite() && voxel_size_m > 0.0;
        let (edge, unit) = if is_known { (voxel_size_m, "m") } else { (1.0, "pixel") };
        for (name, length) in [("y", height), ("x", width)] {
            let centres: Vec<f64> = (0..length).map(|i| (i as f64 + 0.5) * edge).collect();
            self.column(name, &centres)?;
            let units = super::unicode(unit);
            let attribute = units.and_then(|units| {
                let attribute = self.file.dataset(name)?.new_attr::<hdf5::types::VarLenUnicode>();
                attribute.create("units")?.write_scalar(&units)
            });
            self.check(attribute)?;
        }
        Ok(())
    }

    /// Writes a scale of the numbers from 0.
    pub(crate) fn counting(&self, name: &str, length: usize) -> Result<()> {
        self.column(name, &(0..length as i64).collect::<Vec<_>>())
    }

    /// Names the axes of datasets, each after a column of the file.
    pub(crate) fn name_axes(&self, datasets: &[Axes]) -> Result<()> {
        let written = || {
            let mut scales: BTreeMap<&str, Vec<Use>> = BTreeMap::new();
            for (name, axes) in datasets {
                let mut list = Vec::new();
                for (dimension, axis) in axes.iter().enumerate() {
                    let dataset = self.file.reference(name)?;
                    scales.entry(axis).or_default().push(Use { dataset, dimension: dimension as i32 });
                    let scale: ObjectReference1 = self.file.reference(axis)?;
                    list.push(VarLenArray::from_slice(&[scale]));
                }
                self.file.dataset(name)?.new_attr_builder().with_data(&list).create("DIMENSION_LIST")?;
            }
            for (name, uses) in scales {
                let scale = self.file.dataset(name)?;
                terminated(&scale, "CLASS", "DIMENSION_SCALE")?;
                terminated(&scale, "NAME", name)?;
                scale.new_attr_builder().with_data(&uses).create("REFERENCE_LIST")?;
            }
            Ok(())
        };
        self.check(written())
    }
}

/// Writes a null-terminated text of at most 15 letters. Readers recognise a scale only by null-terminated texts; the crate
/// `hdf5` writes texts of fixed length without a terminator.
fn terminated(object: &Location, name: &str, text: &str) -> hdf5::Result<()> {
    let text = FixedAscii::<16>::from_ascii(text).map_err(|e| hdf5::Error::from(e.to_string()))?;
    let kind = Datatype::from_type::<FixedAscii<16>>()?;
    // SAFETY: `kind` is a valid string type that nothing else uses, and `sync` holds the lock of the library.
    #[allow(unsafe_code, reason = "hdf5 has no function for the terminator of a text")]
    let status = hdf5::sync::sync(|| unsafe { H5Tset_strpad(kind.id(), H5T_str_t::H5T_STR_NULLTERM) });
    if status < 0 {
        return Err(hdf5::Error::from("cannot make the type of a text"));
    }
    object.new_attr_builder().empty_as(kind).create(name)?.write_scalar(&text)
}

#[cfg(test)]
mod tests {
    use hdf5::ReferencedObject;

    use super::*;

    #[test]
    fn an_axis_leads_to_its_scale_and_a_scale_to_its_datasets() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.h5");
        let file = H5Writer::create(&path, &path).unwrap();
        let mut phase = file.growing::<u8>("phase", &[2, 3, 4], &[1, 1, 3, 4]).unwrap();
        phase.grow().unwrap();
        drop(phase);
        file.texts("domain_id", &["a".into()]).unwrap();
        file.grid((2, 3, 4), 1e-5).unwrap();
        file.name_axes(&[("phase", &["domain_id", "frame", "y", "x"])]).unwrap();
        file.finish().unwrap();

        let file = hdf5::File::open(&path).unwrap();
        let list = file.dataset("phase").unwrap().attr("DIMENSION_LIST").unwrap();
        let list = list.read_raw::<VarLenArray<ObjectReference1>>().unwrap();
        let names: Vec<String> = list
            .iter()
            .map(|scales| match file.dereference(&scales[0]).unwrap() {
                ReferencedObject::Dataset(scale) => scale.name(),
                other => panic!("{other:?} is no dataset"),
            })
            .collect();
        assert_eq!(names, ["/domain_id", "/frame", "/y", "/x"]);
        let x = file.dataset("x").unwrap();
        assert_eq!(
            x.attr("CLASS").unwrap().read_scalar::<FixedAscii<16>>().unwrap().as_str(),
            "DIMENSION_SCALE"
        );
        assert_eq!(x.attr("NAME").unwrap().read_scalar::<FixedAscii<16>>().unwrap().as_str(), "x");
        let uses = x.attr("REFERENCE_LIST").unwrap().read_raw::<Use>().unwrap();
        assert_eq!((uses.len(), uses[0].dimension), (1, 3));
        let centres = x.read_raw::<f64>().unwrap();
        assert!((centres[0] - 0.5e-5).abs() < 1e-12 && (centres[1] - 1.5e-5).abs() < 1e-12, "{centres:?}");
    }
}
