# A skeleton for programs with windows, on Wayland: display, sound and graphics, and no files of yours.
# Add what the program is for, such as --rw ~/Pictures, or --net host.
# Not in here: X11, whose clients see each other's input, and D-Bus, over which programs start others.
profile base
seccomp desktop

ro-try /etc/xdg
ro-try /etc/machine-id
ro-try /etc/chromium
ro-try /etc/chromium.d
ro-try /etc/firefox
ro-try /etc/firefox-esr
ro-try /etc/gtk-3.0
ro-try /etc/glvnd
ro-try /etc/vulkan
ro-try /etc/pulse
ro-try /etc/pipewire
ro-try /opt
ro-try ${XDG_CONFIG_HOME}/fontconfig
ro-try ${XDG_DATA_HOME}/fonts
ro-try ${XDG_DATA_HOME}/icons
ro-try ${XDG_DATA_HOME}/themes

# Mesa and its like look at the devices here.
ro-try /sys/dev/char
ro-try /sys/devices
ro-try /sys/class/drm
ro-try /sys/bus/pci
dev-try /dev/dri
dev-try /dev/nvidia0
dev-try /dev/nvidiactl
dev-try /dev/nvidia-modeset
dev-try /dev/nvidia-uvm

ro-try ${XDG_RUNTIME_DIR}/${WAYLAND_DISPLAY}
ro-try ${XDG_RUNTIME_DIR}/pipewire-0
ro-try ${XDG_RUNTIME_DIR}/pulse

env WAYLAND_DISPLAY
env XDG_SESSION_TYPE
env XDG_CURRENT_DESKTOP
env GDK_SCALE
env QT_SCALE_FACTOR
env XCURSOR_THEME
env XCURSOR_SIZE
