//! Weights of other programs: PyTorch's `.pth` of either format, and safetensors.

use std::collections::{BTreeMap, HashMap};
use std::io::{Cursor, Read};
use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use zip::ZipArchive;

use super::pickle::{self, Value, View};
use porecast_base::{Error, Result, atomic};

/// Tensors by name.
pub type Weights = BTreeMap<String, WeightTensor>;

/// A tensor of weights.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightTensor {
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// Elements in row-major order.
    pub values: Vec<f32>,
}

/// Keys under which a checkpoint holds its weights.
const WRAPPERS: [&str; 3] = ["state_dict", "model_state_dict", "model"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Float {
    F64,
    F32,
    F16,
    BF16,
}

/// Reads every floating-point tensor in a file; skips integers, such as counters.
///
/// A `.pth` holds a dictionary of tensors, at the top or under the key `state_dict`, `model_state_dict` or `model`. The
/// content decides the format. The prefix `module.`, which data-parallel training adds to every name, is dropped.
///
/// # Errors
/// The file is missing, damaged, or holds something else or values that are not finite.
pub fn read(path: &Path) -> Result<Weights> {
    let bytes = std::fs::read(path).map_err(|e| Error::unreadable(path, e))?;
    let read = match bytes.as_slice() {
        [b'P', b'K', 3, 4, ..] => read_archive(&bytes),
        [0x80, ..] => read_sequence(&bytes),
        _ => from_safetensors(&bytes),
    };
    let weights = without_prefix(read.map_err(|what| {
        Error::input(
            path,
            format!("{what}; expected safetensors, or a .pth with a dictionary of tensors (torch.save(model.state_dict()))"),
        )
    })?);
    for (name, tensor) in &weights {
        if let Some(bad) = tensor.values.iter().find(|value| !value.is_finite()) {
            let what = format!("tensor {name} holds {bad}: its training has diverged; use another file");
            return Err(Error::input(path, what));
        }
    }
    Ok(weights)
}

/// Drops the prefix `module.` if every name has it.
fn without_prefix(weights: Weights) -> Weights {
    const PREFIX: &str = "module.";
    if !weights.keys().all(|name| name.starts_with(PREFIX)) {
        return weights;
    }
    weights.into_iter().map(|(name, tensor)| (name[PREFIX.len()..].to_owned(), tensor)).collect()
}

/// Reads the bytes of a network's weight file.
///
/// # Errors
/// The file cannot be read.
pub fn read_network(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| Error::input(path, format!("cannot be read: {e}")))
}

/// Writes a network's weight file atomically.
///
/// # Errors
/// The file cannot be written.
pub fn write_network(path: &Path, bytes: &[u8]) -> Result<()> {
    atomic::write(path, bytes)
}

/// Reads every floating-point tensor in the bytes of a safetensors file.
///
/// # Errors
/// What is wrong with the bytes.
pub fn from_safetensors(bytes: &[u8]) -> std::result::Result<Weights, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| format!("is damaged or no weight file ({e})"))?;
    let mut weights = Weights::new();
    for (name, view) in file.iter() {
        let dtype = match view.dtype() {
            Dtype::F32 => Float::F32,
            Dtype::F64 => Float::F64,
            Dtype::F16 => Float::F16,
            Dtype::BF16 => Float::BF16,
            _ => continue,
        };
        weights.insert(name.to_owned(), single(view.data(), view.shape().to_vec(), dtype));
    }
    Ok(weights)
}

/// The bytes of a safetensors file with these tensors.
pub fn to_safetensors(weights: &Weights) -> Vec<u8> {
    let bytes = |tensor: &WeightTensor| tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let stored: Vec<Vec<u8>> = weights.values().map(bytes).collect();
    let views = weights.iter().zip(&stored).map(|((name, tensor), bytes)| {
        let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytes);
        (name, view.expect("a tensor has as many values as its shape says"))
    });
    safetensors::serialize(views, None).expect("names and shapes are text")
}

/// The format since PyTorch 1.6: a zip archive with the pickle and a file for each storage.
fn read_archive(bytes: &[u8]) -> std::result::Result<Weights, String> {
    let damaged = |e: &dyn std::fmt::Display| format!("is a damaged archive ({e})");
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|e| damaged(&e))?;
    let list = archive.file_names().find(|name| name.ends_with("data.pkl")).map(str::to_owned);
    let list = list.ok_or("is an archive without data.pkl")?;
    let folder = list.trim_end_matches("data.pkl").to_owned();
    let mut entry = |name: &str| -> std::result::Result<Vec<u8>, String> {
        let mut content = Vec::new();
        let mut file = archive.by_name(name).map_err(|e| format!("lacks {name} ({e})"))?;
        file.read_to_end(&mut content).map_err(|e| damaged(&e))?;
        Ok(content)
    };
    let (root, _) = pickle::read(&entry(&list)?)?;
    let mut storages = HashMap::new();
    let tensors = tensors(root)?;
    for (_, view) in &tensors {
        let storage = Storage::of(view)?;
        if let (Some(_), false) = (storage.dtype, storages.contains_key(&storage.key)) {
            let content = entry(&format!("{folder}data/{}", storage.key))?;
            storages.insert(storage.key, content);
        }
    }
    gather(tensors, &storages)
}

/// The format before PyTorch 1.6: pickles of a magic number, version, system, tensors and storage
/// keys, then each storage preceded by its length.
fn read_sequence(bytes: &[u8]) -> std::result::Result<Weights, String> {
    let mut at = 0;
    let mut next = || {
        let (value, length) = pickle::read(&bytes[at..])?;
        at += length;
        Ok::<_, String>(value)
    };
    for _ in 0..3 {
        next()?;
    }
    let tensors = tensors(next()?)?;
    let Value::Sequence(keys) = next()? else { return Err("lacks the list of its storages".into()) };
    let mut sizes = HashMap::new();
    for (_, view) in &tensors {
        let storage = Storage::of(view)?;
        sizes.insert(storage.key, storage.element_size);
    }
    let mut rest = &bytes[at..];
    let mut storages = HashMap::new();
    for key in keys {
        let key = key.text().ok_or("has a storage without a name")?.to_owned();
        let size = *sizes.get(&key).ok_or_else(|| format!("has a storage {key} that no tensor uses"))?;
        let (length, behind) = rest.split_first_chunk::<8>().ok_or("ends too early")?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok().and_then(|n| n.checked_mul(size));
        let length = length.filter(|length| *length <= behind.len()).ok_or("ends too early")?;
        let (content, behind) = behind.split_at(length);
        storages.insert(key, content.to_vec());
        rest = behind;
    }
    gather(tensors, &storages)
}

/// Names and views of the tensors in a dictionary, or in the one under a key of [`WRAPPERS`].
fn tensors(root: Value) -> std::result::Result<Vec<(String, View)>, String> {
    let Value::Dict(entries) = root else {
        return Err(match root {
            Value::Opaque(class) => format!("holds an object of class {class}"),
            _ => "holds no dictionary".into(),
        });
    };
    let nested = entries.iter().find(|(key, value)| {
        key.text().is_some_and(|key| WRAPPERS.contains(&key)) && matches!(value, Value::Dict(_))
    });
    if let Some((_, nested)) = nested {
        return tensors(nested.clone());
    }
    let named = entries.into_iter().filter_map(|(key, value)| match (key, value) {
        (Value::Text(name), Value::Tensor(view)) => Some((name, *view)),
        _ => None,
    });
    let named: Vec<_> = named.collect();
    if named.is_empty() { Err("holds a dictionary without tensors".into()) } else { Ok(named) }
}

/// The storage that a persistent identifier names.
struct Storage {
    key: String,
    /// `None` for integers.
    dtype: Option<Float>,
    element_size: usize,
}

impl Storage {
    fn of(view: &View) -> std::result::Result<Self, String> {
        let Value::Persistent(name) = &view.storage else {
            return Err("has a tensor without a storage".into());
        };
        let Value::Sequence(parts) = name.as_ref() else { return Err("has a storage without a name".into()) };
        let [_, Value::Global(class), Value::Text(key), ..] = parts.as_slice() else {
            return Err("has a storage without a name".into());
        };
        let (dtype, element_size) = match class.as_str() {
            "torch.FloatStorage" => (Some(Float::F32), 4),
            "torch.DoubleStorage" => (Some(Float::F64), 8),
            "torch.HalfStorage" => (Some(Float::F16), 2),
            "torch.BFloat16Storage" => (Some(Float::BF16), 2),
            "torch.LongStorage" => (None, 8),
            "torch.IntStorage" => (None, 4),
            "torch.ShortStorage" => (None, 2),
            "torch.CharStorage" | "torch.ByteStorage" | "torch.BoolStorage" => (None, 1),
            other => return Err(format!("has a tensor in a storage of kind {other}")),
        };
        Ok(Self { key: key.clone(), dtype, element_size })
    }
}

/// Copies each tensor out of its storage.
fn gather(
    tensors: Vec<(String, View)>,
    storages: &HashMap<String, Vec<u8>>,
) -> std::result::Result<Weights, String> {
    let mut weights = Weights::new();
    for (name, view) in tensors {
        let Storage { key, dtype: Some(dtype), element_size } = Storage::of(&view)? else { continue };
        let content = storages.get(&key).ok_or_else(|| format!("lacks the storage of tensor {name}"))?;
        let bytes = elements(&view, content, element_size)
            .ok_or_else(|| format!("has a tensor {name} that does not lie within its storage"))?;
        weights.insert(name, single(&bytes, view.shape, dtype));
    }
    Ok(weights)
}

/// The elements of a view in row-major order; `None` if it exceeds the storage.
fn elements(view: &View, content: &[u8], size: usize) -> Option<Vec<u8>> {
    let count = view.shape.iter().try_fold(1usize, |count, n| count.checked_mul(*n))?;
    if view.shape.len() != view.strides.len() || count > content.len() / size {
        return None;
    }
    let mut bytes = Vec::with_capacity(count * size);
    let mut index = vec![0usize; view.shape.len()];
    for _ in 0..count {
        let mut at = view.offset;
        for (i, stride) in index.iter().zip(&view.strides) {
            at = at.checked_add(i.checked_mul(*stride)?)?;
        }
        let start = at.checked_mul(size)?;
        bytes.extend_from_slice(content.get(start..start.checked_add(size)?)?);
        for axis in (0..index.len()).rev() {
            index[axis] += 1;
            if index[axis] < view.shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    Some(bytes)
}

/// Little-endian numbers as 32-bit floats; drops an incomplete last number.
fn single(bytes: &[u8], shape: Vec<usize>, float: Float) -> WeightTensor {
    fn each<const N: usize>(bytes: &[u8], to_f32: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        bytes.as_chunks().0.iter().map(|chunk| to_f32(*chunk)).collect()
    }
    let values = match float {
        Float::F64 => each(bytes, |bytes| f64::from_le_bytes(bytes) as f32),
        Float::F32 => each(bytes, f32::from_le_bytes),
        Float::F16 => each(bytes, |bytes| f16::from_le_bytes(bytes).to_f32()),
        Float::BF16 => each(bytes, |bytes| bf16::from_le_bytes(bytes).to_f32()),
    };
    WeightTensor { shape, values }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/encoders").join(name)
    }

    #[test]
    fn each_format_gives_the_same_tensors() {
        for name in ["small.pth", "small-legacy.pth", "small-checkpoint.pth", "small.safetensors"] {
            let weights = read(&fixture(name)).expect("a weight file");
            let of = |key: &str| (weights[key].shape.clone(), weights[key].values.clone());
            let ramp = |from: usize, to: usize| (from..to).map(|i| i as f32 / 4.0).collect::<Vec<_>>();
            assert_eq!(of("plain.weight"), (vec![2, 3, 4], ramp(0, 24)), "{name}");
            let transposed: Vec<f32> =
                (0..6).flat_map(|i| (0..4).map(move |j| (6 * j + i) as f32 / 4.0)).collect();
            assert_eq!(of("transposed.weight"), (vec![6, 4], transposed), "{name}");
            assert_eq!(of("shared.weight"), (vec![6], ramp(5, 11)), "{name}");
            assert_eq!(of("double.bias"), (vec![2], vec![1.5, -2.25]), "{name}");
            assert_eq!(of("half.bias"), (vec![2], vec![0.5, -1.5]), "{name}");
            assert_eq!(of("brain.bias"), (vec![2], vec![3.0, -0.125]), "{name}");
            assert_eq!(weights.len(), 6, "{name}: whole numbers are left out");
        }
    }

    #[test]
    fn wrappers_and_the_prefix_of_parallel_training_are_unwrapped() {
        let content = std::fs::read(fixture("small.safetensors")).expect("a file");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("parallel.safetensors");
        let stored = SafeTensors::deserialize(&content).expect("safetensors");
        let renamed = stored.iter().map(|(name, view)| (format!("module.{name}"), view));
        std::fs::write(&path, safetensors::serialize(renamed, None).expect("bytes")).expect("written");
        assert_eq!(read(&path).expect("weights"), read(&fixture("small.safetensors")).expect("weights"));
        let tensor = || {
            let storage = Value::Text(String::new());
            Value::Tensor(Box::new(View { storage, offset: 0, shape: vec![], strides: vec![] }))
        };
        for key in WRAPPERS {
            let weights = Value::Dict(vec![(Value::Text("a.weight".into()), tensor())]);
            let epoch = (Value::Text("epoch".into()), Value::Text("3".into()));
            let found = tensors(Value::Dict(vec![epoch, (Value::Text(key.into()), weights)]));
            assert_eq!(found.expect("tensors")[0].0, "a.weight", "{key}");
        }
    }

    #[test]
    fn weights_that_are_not_finite_are_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("nan.safetensors");
        let bytes: Vec<u8> = [1.0, f32::NAN].iter().flat_map(|value: &f32| value.to_le_bytes()).collect();
        let view = safetensors::tensor::TensorView::new(Dtype::F32, vec![2], &bytes).expect("a tensor");
        let bytes = safetensors::serialize([("conv1.weight", view)], None).expect("bytes");
        std::fs::write(&path, bytes).expect("written");
        let error = read(&path).expect_err("refused").to_string();
        assert!(error.contains("tensor conv1.weight holds NaN"), "{error}");
    }

    #[test]
    fn a_file_of_another_kind_is_named() {
        for (name, what) in
            [("small-module.pth", "class torch.nn.modules.module.Module"), ("make.py", "no weight file")]
        {
            let error = read(&fixture(name)).expect_err("no weights").to_string();
            assert!(error.contains(name) && error.contains(what), "{error}");
        }
        let error = read(Path::new("none.pth")).expect_err("no file").to_string();
        assert!(error.contains("none.pth"), "{error}");
    }

    #[test]
    fn a_cut_file_is_an_error() {
        for name in ["small.pth", "small-legacy.pth", "small.safetensors"] {
            let bytes = std::fs::read(fixture(name)).expect("a fixture");
            let folder = tempfile::tempdir().expect("a folder");
            for length in (0..bytes.len()).step_by(97) {
                let path = folder.path().join("cut");
                std::fs::write(&path, &bytes[..length]).expect("a file");
                assert!(read(&path).is_err(), "{name} cut to {length} bytes");
            }
        }
    }
}
