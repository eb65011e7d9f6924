//! What an output may replace.

use std::fs;
use std::path::Path;

use crate::{Error, ErrorKind, Result, atomic};

/// Checks that an output is not there yet or may be replaced, and that this replaces no input.
///
/// # Errors
/// The output exists and may not be replaced, or it is an input or a folder around one.
pub fn check(output: &Path, inputs: &[&Path], may_replace: bool) -> Result<()> {
    if !output.exists() {
        return Ok(());
    }
    if !may_replace {
        return Err(Error::exists(output));
    }
    let real = output.canonicalize().map_err(|e| Error::output(output, e))?;
    for input in inputs {
        if input.canonicalize().is_ok_and(|input| input.starts_with(&real)) {
            let what = format!("would replace the input {}; choose another output", input.display());
            return Err(Error::new(ErrorKind::Exists, output.display().to_string(), what));
        }
    }
    Ok(())
}

/// Checks that a folder holds nothing but what the program wrote: it is empty, or `is_one` finds that it or a folder in it
/// is one of `kind`.
///
/// # Errors
/// The folder holds other files, or cannot be read.
pub fn check_folder(folder: &Path, kind: &str, is_one: impl Fn(&Path) -> bool) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    let entries = fs::read_dir(folder).and_then(|entries| entries.collect::<std::io::Result<Vec<_>>>());
    let entries = entries.map_err(|e| Error::output(folder, e))?;
    let is_empty = entries.iter().all(|entry| atomic::is_temporary(&entry.file_name()));
    if !is_empty && !is_one(folder) && !entries.iter().any(|entry| is_one(&entry.path())) {
        let what = format!("is a folder of other files, not of {kind}; choose another output");
        return Err(Error::new(ErrorKind::Exists, folder.display().to_string(), what));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (file, absent) = (folder.path().join("a.h5"), folder.path().join("b.h5"));
        fs::write(&file, "a").unwrap();
        assert!(check(&absent, &[&file], false).is_ok());
        assert_eq!(check(&file, &[], false).unwrap_err().kind(), ErrorKind::Exists);
        assert!(check(&file, &[&absent], true).is_ok());
        let same = folder.path().join(".").join("a.h5");
        for output in [&file, &same, folder.path()] {
            let error = check(output, &[&file], true).unwrap_err().to_string();
            assert!(error.contains("would replace the input"), "{error}");
        }
    }

    #[test]
    fn a_folder_of_other_files_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path();
        let check =
            |folder: &Path| check_folder(folder, "scores", |place| place.join("scores.json").exists());
        assert!(check(&place.join("none")).is_ok());
        assert!(check(place).is_ok());
        fs::write(place.join("thesis.txt"), "").unwrap();
        let error = check(place).unwrap_err().to_string();
        assert!(error.contains("other files, not of scores"), "{error}");
        fs::create_dir(place.join("a")).unwrap();
        fs::write(place.join("a/scores.json"), "").unwrap();
        assert!(check(place).is_ok());
    }
}
