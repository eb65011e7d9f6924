//! Long work: without Python's lock, stopped by Ctrl-C, with its lines shown by Python.

use std::panic::resume_unwind;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Mutex, TryLockError};
use std::thread;
use std::time::Duration;

use porecast::base::{interrupt, progress};
use porecast::{ErrorKind, Result};
use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeError};
use pyo3::prelude::*;

use crate::error::exception;

/// Time between two looks at Python's signals.
const TICK: Duration = Duration::from_millis(50);

/// Held by the work whose lines are shown.
static SHOWN: Mutex<()> = Mutex::new(());

enum Event {
    Line(String),
    End,
}

/// Runs `work` on a thread of its own while this one waits for it and for Ctrl-C.
pub(crate) fn run<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    let (send, events) = mpsc::channel();
    wait(py, work, send, events, None)
}

/// As [`run`]; each line that the work prints is passed to `show`, a function of one text. One such work at a time.
pub(crate) fn run_shown<T: Send>(
    py: Python<'_>,
    show: Option<Py<PyAny>>,
    work: impl FnOnce() -> Result<T> + Send,
) -> PyResult<T> {
    let _held = match SHOWN.try_lock() {
        Err(TryLockError::WouldBlock) => {
            let what =
                "another simulation or training runs in this process; wait for it or start another process";
            return Err(PyRuntimeError::new_err(what));
        }
        held => held,
    };
    let (send, events) = mpsc::channel();
    let lines = send.clone();
    progress::redirect(Some(Box::new(move |line| drop(lines.send(Event::Line(line.to_owned()))))));
    let done = wait(py, work, send, events, show);
    progress::redirect(None);
    done
}

fn wait<T: Send>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<T> + Send,
    end: Sender<Event>,
    events: mpsc::Receiver<Event>,
    show: Option<Py<PyAny>>,
) -> PyResult<T> {
    interrupt::leave_to_host();
    let (done, raised) = py.detach(move || {
        thread::scope(|scope| {
            let mut raised = None;
            let mut stop = |error: PyErr| {
                interrupt::request();
                raised.get_or_insert(error);
            };
            let worker = scope.spawn(move || {
                let done = work();
                let _ = end.send(Event::End);
                done
            });
            loop {
                match (events.recv_timeout(TICK), &show) {
                    (Ok(Event::Line(line)), Some(show)) => {
                        if let Err(error) = Python::attach(|py| show.call1(py, (line,))) {
                            stop(error);
                        }
                    }
                    (Ok(Event::Line(_)), None) => {}
                    (Ok(Event::End) | Err(RecvTimeoutError::Disconnected), _) => break,
                    (Err(RecvTimeoutError::Timeout), _) if worker.is_finished() => break,
                    (Err(RecvTimeoutError::Timeout), _) => {}
                }
                if let Err(error) = Python::attach(|py| py.check_signals()) {
                    stop(error);
                }
            }
            (worker.join().unwrap_or_else(|panic| resume_unwind(panic)), raised)
        })
    });
    let Some(raised) = raised else { return done.map_err(exception) };
    interrupt::withdraw();
    match done {
        // The work says how to go on.
        Err(error)
            if error.kind() == ErrorKind::Interrupted && raised.is_instance_of::<PyKeyboardInterrupt>(py) =>
        {
            Err(exception(error))
        }
        _ => Err(raised),
    }
}
