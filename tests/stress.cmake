# Every file in stress/ but main.c is one scenario, named after the file:
# `stress --seconds N NAME`. Each runs twice as a test, for 1 or 2 s and for 60 s; a mix, in
# which there is much to choose, for 5 s, and a small one, with little, for 1 s and 20 s.
# The twin runs for simulated time, from one seed: the same run every time.
add_executable(stress ${stress_sources})
target_link_libraries(stress PRIVATE tdpsim-test-support)
add_executable(stress-virtual ${stress_sources})
target_link_libraries(stress-virtual PRIVATE tdpsim-test-support-virtual)
set_target_properties(stress-virtual PROPERTIES OUTPUT_NAME stress
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/virtual)

# Instrumented it is ten times slower, and a run more tells little.
set(virtual_milliseconds 12)
if(TDPSIM_SANITIZE OR TDPSIM_COVERAGE)
    set(virtual_milliseconds 3)
endif()

# What stress is for is found in release and by ThreadSanitizer; the others look at memory
# and arithmetic, which a second reaches as well.
set(usual_seconds 2)
if(TDPSIM_SANITIZE AND NOT TDPSIM_SANITIZE MATCHES thread)
    set(usual_seconds 1)
endif()

foreach(source ${stress_sources})
    cmake_path(GET source STEM scenario)
    if(NOT scenario STREQUAL main)
        set(seconds ${usual_seconds})
        set(long_seconds 60)
        if(scenario MATCHES mix$)
            set(seconds 5)
        elseif(scenario MATCHES ^small_)
            set(seconds 1)
            set(long_seconds 20)
        endif()
        tdpsim_test(stress/${scenario} "fast;stress" 180
            stress --seconds ${seconds} ${scenario})
        tdpsim_test(long/${scenario} long 900 stress --seconds ${long_seconds} ${scenario})
        # All on one thread: there is no race that ThreadSanitizer could find, slowly.
        if(NOT TDPSIM_SANITIZE MATCHES thread)
            tdpsim_test(virtual/stress/${scenario} "fast;stress" 180
                stress-virtual --milliseconds ${virtual_milliseconds} --seed 1 ${scenario})
        endif()
        set_tests_properties(stress/${scenario} long/${scenario} PROPERTIES PROCESSORS 2)
        list(APPEND tdpsim_long_tests long/${scenario})
    endif()
endforeach()

# explore runs the scenarios under schedules that hunt for an error. It is a driver
# to its users, and white-box by its nature.
file(GLOB explore_sources CONFIGURE_DEPENDS explore/*.c)
set(scenario_sources ${stress_sources})
list(FILTER scenario_sources EXCLUDE REGEX /stress/main\\.c$)
pkg_check_modules(jansson REQUIRED IMPORTED_TARGET jansson)
add_executable(explore ${explore_sources} ${scenario_sources})
target_link_libraries(explore PRIVATE tdpsim-test-support-virtual PkgConfig::jansson)
set_target_properties(explore PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bench)
