# Small files spend most of their time in headers, so several are compiled as one: names in unnamed namespaces differ
# within a module, and what defines macros in front of an include has SKIP_UNITY_BUILD_INCLUSION.
#
# Who changes one file waits for its neighbours then; for files of the library, which are optimised, that takes long.
if(NOT LOCKFLIGHT_UNITY MATCHES "^(none|programs|all)$")
  message(FATAL_ERROR "LOCKFLIGHT_UNITY is \"${LOCKFLIGHT_UNITY}\", expected none, programs or all")
endif()

# The library: eight files at a time, or each alone.
function(lockflight_compile_together target)
  if(LOCKFLIGHT_UNITY STREQUAL "all")
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON)
  endif()
endfunction()

# Tests, and the command.
function(lockflight_compile_program_together target)
  if(LOCKFLIGHT_UNITY STREQUAL "all")
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON)
  elseif(LOCKFLIGHT_UNITY STREQUAL "programs")
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 4)
  endif()
endfunction()
