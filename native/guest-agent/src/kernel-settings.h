#ifndef WRENN_KERNEL_SETTINGS_H
#define WRENN_KERNEL_SETTINGS_H

/* Sets what distributions set at boot and the kernel by itself does not. Called once by init, while /proc is mounted. */
void kernel_settings_apply(void);

#endif
