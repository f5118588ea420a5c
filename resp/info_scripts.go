package resp

import "respkv/internal/lua"

// scripts writes what scripts and functions take: their sources. What VMs take is
// a part of the process's memory that is not counted by itself.
func (w *infoWriter) scripts(e *lua.Engine) {
	cached, scriptBytes := e.Scripts()
	l := e.Libraries()
	libraries, functions := l.Count()
	libraryBytes := 0
	for _, library := range l.All() {
		libraryBytes += len(library.Code)
	}
	w.zeros("used_memory_lua", "used_memory_vm_eval")
	w.str("used_memory_lua_human", humanBytes(0))
	w.int("used_memory_scripts_eval", int64(scriptBytes))
	w.int("number_of_cached_scripts", int64(cached))
	w.int("number_of_functions", int64(functions))
	w.int("number_of_libraries", int64(libraries))
	w.zeros("used_memory_vm_functions")
	w.size("used_memory_vm_total", 0)
	w.int("used_memory_functions", int64(libraryBytes))
	w.size("used_memory_scripts", int64(scriptBytes+libraryBytes))
}
