# Compiles through ccache where it is installed. Whoever names a launcher, or an empty one, is obeyed.
#
# What one clone has compiled serves every other one: paths within the project count from its root. And headers may be
# precompiled, which ccache allows to those who do not care for __TIME__ and the macros of such headers.
if(NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(LOCKFLIGHT_CCACHE ccache)
  mark_as_advanced(LOCKFLIGHT_CCACHE)
  if(LOCKFLIGHT_CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1
                                    CCACHE_SLOPPINESS=pch_defines,time_macros ${LOCKFLIGHT_CCACHE})
  endif()
endif()
