# Small files spend most of their time in headers, so several are compiled as one: names in unnamed namespaces differ
# within a module, and what defines macros in front of an include has SKIP_UNITY_BUILD_INCLUSION.
#
# Who changes one file of the library waits for seven others then, so that is for those who compile all of it anyway.
if(NOT LOCKFLIGHT_UNITY MATCHES "^(none|tests|all)$")
  message(FATAL_ERROR "LOCKFLIGHT_UNITY is \"${LOCKFLIGHT_UNITY}\", expected none, tests or all")
endif()

# A part of the library or of the command.
function(lockflight_compile_together target)
  if(LOCKFLIGHT_UNITY STREQUAL "all")
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON)
  endif()
endfunction()

# A part of the tests.
function(lockflight_compile_tests_together target)
  if(LOCKFLIGHT_UNITY STREQUAL "all")
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON)
  elseif(LOCKFLIGHT_UNITY STREQUAL "tests")
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 4)
  endif()
endfunction()
