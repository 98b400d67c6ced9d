// The exceptions that lockflight throws.
//
// Every message is one sentence that says what is wrong, where, with both values, and what to do.
// Findings that come in numbers (what a proof refuses, say) are values, not exceptions.

#pragma once

#include <stdexcept>
#include <string>

namespace lockflight {

/// Base of every exception of this library.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// An argument, option or configuration that cannot work.  Thrown before anything is changed.
class InvalidArgument : public Error {
 public:
  using Error::Error;
};

/// A device, its memory or its libraries failed.
class DeviceError : public Error {
 public:
  using Error::Error;
};

/// A transfer between ranks failed, was aborted, or can never complete.
class TransportError : public Error {
 public:
  using Error::Error;
};

/// What ranks fail with because another one failed first: never the cause.
class AbortedError final : public TransportError {
 public:
  using TransportError::TransportError;
};

/// A file could not be opened, read or written.
class FileError : public Error {
 public:
  using Error::Error;
};

/// A file was read but its content is not what it should be: damaged, too short, of another model.
class DataError : public Error {
 public:
  using Error::Error;
};

/// A plan or schedule that cannot be carried out.
class PlanError : public Error {
 public:
  using Error::Error;
};

}  // namespace lockflight
