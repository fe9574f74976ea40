# Lets CMake build against ROS 2 that was installed from PyPI wheels.
# Does nothing where a ROS environment is sourced (a robot, a colcon workspace over a distro).
#
# 1. The wheels unpack a whole ament prefix into the Python environment's root, and nothing
#    announces it. The folder that holds ament_package tells where it is.
# 2. Their exported targets carry the include folders of the machine that built them (Python's
#    and numpy's), and CMake refuses an imported target with an include folder that is not there.

if("$ENV{AMENT_PREFIX_PATH}" STREQUAL "")
  if(NOT Python3_EXECUTABLE)
    if(Python_EXECUTABLE)
      set(Python3_EXECUTABLE ${Python_EXECUTABLE})
    else()
      find_program(Python3_EXECUTABLE NAMES python3 python REQUIRED)
    endif()
  endif()
  # <prefix>/lib/pythonX.Y/site-packages/ament_package/__init__.py
  execute_process(
    COMMAND ${Python3_EXECUTABLE} -c
      "import ament_package, pathlib; print(pathlib.Path(ament_package.__file__).parents[4])"
    OUTPUT_VARIABLE ros_wheels_prefix
    OUTPUT_STRIP_TRAILING_WHITESPACE
    ERROR_QUIET
    RESULT_VARIABLE ros_wheels_missing)
  if(ros_wheels_missing)
    message(FATAL_ERROR
      "No ROS 2 found: AMENT_PREFIX_PATH is empty and ${Python3_EXECUTABLE} has no ROS wheels. "
      "Source a ROS environment (. /opt/ros/<distro>/setup.bash) and use colcon, "
      "or install with pip: pip install '.[ros]' -C ros=kilted")
  endif()
  message(STATUS "ROS 2 from wheels in ${ros_wheels_prefix}")
  set(ENV{AMENT_PREFIX_PATH} ${ros_wheels_prefix})
endif()

# colcon over wheels has AMENT_PREFIX_PATH set, and needs this one all the same.
string(REPLACE ":" ";" ament_prefixes "$ENV{AMENT_PREFIX_PATH}")
list(PREPEND CMAKE_PREFIX_PATH ${ament_prefixes})

function(drop_absent_include_directories)
  get_directory_property(imported IMPORTED_TARGETS)
  foreach(target IN LISTS imported)
    get_target_property(directories ${target} INTERFACE_INCLUDE_DIRECTORIES)
    if(directories)
      set(present "")
      foreach(directory IN LISTS directories)
        if(directory MATCHES "\\$<" OR EXISTS "${directory}")
          list(APPEND present "${directory}")
        endif()
      endforeach()
      set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${present}")
    endif()
  endforeach()
endfunction()
# At the end of the configuration, when every find_package() has run.
cmake_language(DEFER CALL drop_absent_include_directories)
