//! Errors of porecast as Python exceptions.

use std::path::Path;

use porecast::{Error, ErrorKind};
use pyo3::PyErr;
use pyo3::exceptions::{
    PyFileExistsError, PyFileNotFoundError, PyKeyboardInterrupt, PyOSError, PyRuntimeError, PyValueError,
};

/// The exception for an error, in the same words; options are named as Python's arguments are.
pub(crate) fn exception(error: Error) -> PyErr {
    let text = python_words(&error.to_string());
    match error.kind() {
        ErrorKind::Config | ErrorKind::Mismatch | ErrorKind::Simulation => PyValueError::new_err(text),
        ErrorKind::Input if !Path::new(error.place()).exists() => PyFileNotFoundError::new_err(text),
        ErrorKind::Input | ErrorKind::Output => PyOSError::new_err(text),
        ErrorKind::Exists => PyFileExistsError::new_err(text),
        ErrorKind::Interrupted => PyKeyboardInterrupt::new_err(text),
        _ => PyRuntimeError::new_err(text),
    }
}

/// `--force` is `force=True` in Python, and `--viscosity-ratio` is `viscosity_ratio`.
pub(crate) fn python_words(text: &str) -> String {
    let words = text.split_inclusive([' ', '\n']).map(|word| match word.strip_prefix("--") {
        Some(option) => {
            let end = option.find(|c: char| !(c.is_ascii_lowercase() || c == '-')).unwrap_or(option.len());
            let (name, rest) = option.split_at(end);
            let argument = match name {
                "force" | "resume" | "extrapolate" => format!("{name}=True"),
                "contact-angle" => "contact_angle_deg".to_owned(),
                _ => name.replace('-', "_"),
            };
            argument + rest
        }
        None => word.to_owned(),
    });
    words.collect()
}
